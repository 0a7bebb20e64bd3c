// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "failed_start.hpp"
#include "instance_folder.hpp"

namespace anyvisor::qemu {
namespace {

namespace fs = std::filesystem;

class VmmLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "anyvisor-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    fs::create_directory(path_ / "logs");
    folder_.emplace(path_.string());
  }
  void TearDown() override { fs::remove_all(path_); }
  void append(const std::string& text) { std::ofstream(path_ / "logs/vmm.log", std::ios::app) << text; }

  fs::path path_;
  std::optional<InstanceFolder> folder_;
};

TEST_F(VmmLogTest, ReadsOnlyWhatIsNew) {
  EXPECT_EQ(vmm_log_size(*folder_), 0u);
  EXPECT_EQ(vmm_log_since(*folder_, 0), "");
  append("an old start\n");
  const auto begin = vmm_log_size(*folder_);
  EXPECT_EQ(vmm_log_since(*folder_, begin), "");
  append("qemu: this one\n\n");
  EXPECT_EQ(vmm_log_since(*folder_, begin), "qemu: this one");
}

TEST_F(VmmLogTest, ReadsAtMostTheTail) {
  append(std::string(100'000, 'x') + "the end\n");
  const std::string said = vmm_log_since(*folder_, 0);
  EXPECT_LE(said.size(), 2048u);
  EXPECT_TRUE(said.ends_with("the end"));
}

TEST(FailedStart, IsExplained) {
  EXPECT_EQ(explain_failed_start("").status(), ANYVISOR_BACKEND_FAILED);
  EXPECT_EQ(explain_failed_start("something new").status(), ANYVISOR_BACKEND_FAILED);
  const sdk::Failure port = explain_failed_start("qemu: Could not set up host forwarding rule 'tcp::22-:22'");
  EXPECT_EQ(port.status(), ANYVISOR_BUSY);
  EXPECT_EQ(port.view().retry, 1);
  const sdk::Failure type = explain_failed_start("qemu: unsupported machine type\nUse -machine help");
  EXPECT_EQ(type.status(), ANYVISOR_UNAVAILABLE);
  EXPECT_EQ(type.view().retry, 0);
  EXPECT_NE(std::string(type.what()).find("Use -machine help"), std::string::npos) << "QEMU's own words are kept";
}

}  // namespace
}  // namespace anyvisor::qemu
