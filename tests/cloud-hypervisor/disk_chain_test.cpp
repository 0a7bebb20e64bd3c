// SPDX-License-Identifier: MIT
#include "disk_chain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>

#include "temporary_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

constexpr Version v50{50, 0}, v52{52, 0}, v53{53, 0};

// A qcow2 header of version 3, with the name behind it.
std::string qcow2(const std::string& backing, unsigned char incompatible = 0) {
  std::string header(104, '\0');
  header.replace(0, 4, "QFI\xfb");
  header[7] = 3;
  if (!backing.empty()) {
    header[15] = 104;
    header[19] = static_cast<char>(backing.size());
  }
  header[79] = static_cast<char>(incompatible);
  return header + backing;
}

class DiskChain : public ::testing::Test {
 protected:
  Disk disk(std::vector<ChainLink> chain, bool read_only = false) const {
    Disk made;
    made.id = "root";
    made.field = "/disks/0";
    made.read_only = read_only;
    made.chain = std::move(chain);
    return made;
  }
  anyvisor_status refused(const Disk& disk, Version version = v53) {
    message_.clear();
    try {
      require_chain(disk, version);
    } catch (const sdk::Failure& failure) {
      message_ = failure.what();
      return failure.status();
    }
    return ANYVISOR_OK;
  }
  ChainLink raw(const std::string& name) const { return {folder_.write(name, "data"), "raw"}; }
  ChainLink link(const std::string& name, const std::string& backing) const {
    return {folder_.write(name, qcow2(backing)), "qcow2"};
  }

  test::TemporaryFolder folder_;
  std::string message_;
};

TEST_F(DiskChain, WhatTheHeadersSayIsWhatTheDocumentSays) {
  const ChainLink base = raw("base.img");
  EXPECT_EQ(refused(disk({link("top.qcow2", "base.img"), base})), ANYVISOR_OK);
  EXPECT_EQ(refused(disk({link("top.qcow2", base.path), base})), ANYVISOR_OK);
  EXPECT_EQ(refused(disk({link("one.qcow2", "")})), ANYVISOR_OK);
  EXPECT_EQ(refused(disk({link("a.qcow2", "b.qcow2"), link("b.qcow2", "base.img"), base})), ANYVISOR_OK);
}

TEST_F(DiskChain, AnotherFileOfTheHostIsNotOpened) {
  const ChainLink base = raw("base.img"), secret = raw("secret");
  EXPECT_EQ(refused(disk({link("top.qcow2", secret.path), base})), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(refused(disk({link("top.qcow2", "../../etc/passwd")})), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(refused(disk({link("top.qcow2", ""), base})), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(refused(disk({{folder_.write("data.qcow2", qcow2("", 4)), "qcow2"}})), ANYVISOR_CORRUPTED);
  EXPECT_EQ(refused(disk({{folder_.write("none.qcow2", "nothing of the kind"), "qcow2"}})), ANYVISOR_CORRUPTED);
}

TEST_F(DiskChain, OldVersionsAreToldWhatTheyLack) {
  const ChainLink base = raw("base.img");
  EXPECT_EQ(refused(disk({link("top.qcow2", "base.img"), base}), v52), ANYVISOR_UNSUPPORTED);
  EXPECT_THAT(message_, ::testing::HasSubstr("v53"));
  EXPECT_EQ(refused(disk({link("top.qcow2", base.path), base}), v52), ANYVISOR_OK);
  EXPECT_EQ(refused(disk({base}), v50), ANYVISOR_UNSUPPORTED);  // its format would be guessed
  EXPECT_THAT(message_, ::testing::HasSubstr("v51"));
  EXPECT_EQ(refused(disk({base}, true), v50), ANYVISOR_OK);
  EXPECT_EQ(refused(disk({base}), v52), ANYVISOR_OK);
}

TEST_F(DiskChain, IsTenDeepAtMost) {
  std::vector<ChainLink> chain{raw("base.img")};
  auto deepen = [&] {
    const std::string below = std::filesystem::path(chain.front().path).filename();
    chain.insert(chain.begin(), link("d" + std::to_string(chain.size()) + ".qcow2", below));
  };
  for (std::size_t i = 0; i < deepest_chain; ++i) deepen();
  EXPECT_EQ(refused(disk(chain)), ANYVISOR_OK);
  deepen();
  EXPECT_EQ(refused(disk(chain)), ANYVISOR_UNSUPPORTED);
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
