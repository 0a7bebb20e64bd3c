// SPDX-License-Identifier: MIT
#include "image/kernel_version.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

// The first sectors of a bzImage as the kernel's boot protocol describes them.
std::string make_header(const std::string& version) {
  std::string header(4096, '\0');
  header.replace(0x202, 4, "HdrS");
  header[0x20e] = '\x00';
  header[0x20f] = '\x0a';  // 0xa00, and 0x200 more
  header.replace(0xc00, version.size(), version);
  return header;
}

TEST(KernelVersion, IsReadFromABzImage) {
  test::TemporaryFolder folder;
  std::string path = folder.path() + "/kernel";
  std::ofstream(path) << make_header("6.1.0-49-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP");
  EXPECT_EQ(kernel_version(path), "6.1.0-49-cloud-amd64");
}

TEST(KernelVersion, IsEmptyForAnythingElse) {
  test::TemporaryFolder folder;
  std::string path = folder.path() + "/kernel";
  EXPECT_EQ(kernel_version(path), "");
  std::ofstream(path) << "\x7f"
                         "ELF and more";
  EXPECT_EQ(kernel_version(path), "");
  std::ofstream(path) << make_header("\x1b[31mred");
  EXPECT_EQ(kernel_version(path), "");
  std::ofstream(path) << make_header("6.1").substr(0, 0xc01);  // cut in the middle of its text
  EXPECT_EQ(kernel_version(path), "");
}

}  // namespace
}  // namespace anyvisor
