// SPDX-License-Identifier: MIT
#include "saved_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "temporary_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

using ::testing::HasSubstr;
constexpr Version v53{53, 0};

class SavedFolder : public ::testing::Test {
 protected:
  // As the VMM leaves it.
  void SetUp() override {
    folder_.write("state.json", R"({"snapshots":{}})");
    folder_.write("config.json", R"({"cpus":{"boot_vcpus":1}})");
    folder_.write("memory-ranges", std::string(8192, 'm'));
    EXPECT_EQ(seal_saved(place(), v53), 16u);
  }
  SavedPlace place(const std::string& label = "one moment") const { return {folder_.path(), label, true}; }
  std::string refusal(const std::string& label = "one moment", Version version = v53) {
    try {
      open_saved(place(label), version);
    } catch (const sdk::Failure& failure) {
      EXPECT_EQ(failure.status(), ANYVISOR_CORRUPTED);
      return failure.what();
    }
    return {};
  }
  void flip(const std::string& name, std::size_t at) {
    std::string content = folder_.read(name);
    content[at] = static_cast<char>(content[at] ^ 1);
    folder_.write(name, content);
  }

  test::TemporaryFolder folder_;
};

TEST_F(SavedFolder, IsOpenedAgain) {
  const json::Document config = open_saved(place(), v53);
  EXPECT_EQ(config["cpus"]["boot_vcpus"].GetInt(), 1);
  EXPECT_EQ(folder_.read("memory-ranges").substr(0, 8192), std::string(8192, 'm'));
  // A restore writes the config that the VMM reads; the one that was saved stays as it is.
  json::Document changed = json::make_object();
  json::set(changed, changed, "a", "much longer text than what comes next");
  write_config(place(), changed);
  write_config(place(), json::make_object());
  EXPECT_EQ(folder_.read("config.json"), "{}");
  EXPECT_EQ(refusal(), "");
}

TEST_F(SavedFolder, WhatDoesNotBelongTogetherIsRefused) {
  EXPECT_THAT(refusal("another moment"), HasSubstr("another moment of this one"));
  EXPECT_THAT(refusal("one moment", {52, 0}), HasSubstr("another version"));
  flip("config-saved.json", 3);
  EXPECT_THAT(refusal(), HasSubstr("config-saved.json was changed"));
}

TEST_F(SavedFolder, WhatIsMissingOrCutIsRefused) {
  for (const char* name : {"state.json", "config-saved.json", "memory-ranges"}) {
    const std::string content = folder_.read(name);
    std::filesystem::remove(folder_ / name);
    EXPECT_THAT(refusal(), HasSubstr("missing")) << name;
    folder_.write(name, content);
    EXPECT_EQ(refusal(), "") << name;
  }
  folder_.write("state.json", "");
  EXPECT_THAT(refusal(), HasSubstr("empty"));
  folder_.write("state.json", "{}");
  const std::string memory = folder_.read("memory-ranges");
  for (std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{8192}, memory.size() - 1, memory.size() + 1}) {
    std::string other = memory;
    other.resize(size);
    folder_.write("memory-ranges", other);
    EXPECT_NE(refusal(), "") << size;
  }
}

TEST_F(SavedFolder, IsClearedForTheNextSave) {
  write_config(place(), json::make_object());
  clear_saved(place());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  clear_saved(place());
  EXPECT_THROW(seal_saved(place(), v53), sdk::Failure);  // nothing was written
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
