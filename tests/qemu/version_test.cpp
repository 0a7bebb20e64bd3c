// SPDX-License-Identifier: MIT
#include "version.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyvisor::qemu {
namespace {

TEST(Version, IsReadFromWhatQemuPrints) {
  EXPECT_EQ(parse_version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c)"), "7.2.22");
  EXPECT_EQ(parse_version("QEMU emulator version 10.0.2\n"), "10.0.2");
  EXPECT_EQ(parse_version("QEMU emulator version 9.1"), "9.1");
  EXPECT_EQ(parse_version("bash, something else"), "");
  EXPECT_EQ(parse_version(""), "");
}

TEST(Version, AMissingBinarySaysWhatToInstall) {
  try {
    find_binary("qemu-system-that-nobody-has");
    FAIL();
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_UNAVAILABLE);
    EXPECT_STREQ(failure.view().hint, "apt install qemu-system-x86");
  }
  EXPECT_THROW(find_binary("relative/qemu"), sdk::Failure);
}

TEST(Version, ABinaryIsFoundOnPathAndByPath) {
  Binary shell = find_binary("sh");
  EXPECT_THAT(shell.path, testing::AllOf(testing::StartsWith("/"), testing::EndsWith("/sh")));
  EXPECT_EQ(find_binary(shell.path).identity, shell.identity);
  EXPECT_NE(find_binary("ls").identity, shell.identity);
}

}  // namespace
}  // namespace anyvisor::qemu
