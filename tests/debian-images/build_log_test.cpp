// SPDX-License-Identifier: MIT
// What a build prints, as mmdebstrap 1.3.5 and apt 2.6 print it.
#include "build_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using debian_images::BuildLog;
using debian_images::BuildProgress;
using testing::HasSubstr;

BuildLog after(std::initializer_list<const char*> lines) {
  BuildLog log;
  for (const char* line : lines) log.add(line);
  return log;
}

TEST(BuildLog, TellsPhasesInWordsWithBytesAndPackages) {
  BuildLog log;
  EXPECT_EQ(log.progress().phase, "starting");
  log.add("I: running apt-get update...");
  EXPECT_EQ(log.progress().phase, "reading package lists");
  log.add("I: downloading packages with apt...");
  log.add("0 upgraded, 69 newly installed, 0 to remove and 0 not upgraded.");
  log.add("Need to get 29.7 MB of archives.");
  log.add("Get:1 http://deb.debian.org/debian bookworm/main amd64 gcc-12-base amd64 12.2.0-14 [37.5 kB]");
  EXPECT_EQ(log.progress(), (BuildProgress{"downloading packages", 37'500, 29'700'000}));
  log.add("I: installing essential packages...");
  log.add("Unpacking dpkg (1.21.22) ...");
  EXPECT_EQ(log.progress().phase, "installing the base system");
  log.add("I: installing remaining packages inside the chroot...");
  log.add("0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.");
  log.add("Unpacking sudo (1.9.13p3) ...");
  EXPECT_EQ(log.progress(), (BuildProgress{"unpacking packages", 1, 2}));
  log.add("Setting up sudo (1.9.13p3) ...");
  log.add("Setting up ssh (1) ...");
  log.add("Setting up more than was said (1) ...");
  EXPECT_EQ(log.progress(), (BuildProgress{"setting up packages", 2, 2}));
  log.add("phase: making the disk");
  EXPECT_EQ(log.progress(), (BuildProgress{"making the disk", 0, 0}));
}

TEST(BuildLog, KnowsNoSpaceNoArchiveAndNoNamespaces) {
  const auto space = after({"dpkg: error: cannot copy: No space left on device", "E: mmdebstrap failed to run"})
                         .failure("debian:bookworm", "", "/cache", "/cache/x.log");
  EXPECT_EQ(space.status(), ANYVISOR_EXHAUSTED);
  EXPECT_THAT(space.what(), HasSubstr("/cache"));
  const auto archive = after({"Err:1 http://127.0.0.1:9/debian bookworm InRelease",
                              "  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)",
                              "E: Unable to locate package systemd-sysv", "E: apt-get update failed"})
                           .failure("debian:bookworm", "http://127.0.0.1:9/debian", "/cache", "/cache/x.log");
  EXPECT_EQ(archive.status(), ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(archive.what(), HasSubstr("http://127.0.0.1:9/debian cannot be reached"));
  EXPECT_EQ(archive.view().retry, 1);
  const auto namespaces = after({"unshare: unshare failed: Operation not permitted"}).failure("x", "", "/c", "/c/l");
  EXPECT_EQ(namespaces.status(), ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(namespaces.what(), HasSubstr("namespaces"));
}

TEST(BuildLog, OtherwiseTheFirstErrorIsTheReason) {
  const auto failure = after({"Setting up x ...", "E: the first", "E: the second"}).failure("x", "", "/c", "/c/x.log");
  EXPECT_EQ(failure.status(), ANYVISOR_BACKEND_FAILED);
  EXPECT_THAT(failure.what(), HasSubstr("E: the first"));
  EXPECT_THAT(failure.view().hint, HasSubstr("/c/x.log"));
  EXPECT_THAT(after({"a", "b"}).failure("x", "", "/c", "/l").what(), HasSubstr(": b"));
}

TEST(BuildLog, KeepsTheLastLines) {
  BuildLog log;
  for (int i = 0; i < 100; ++i) log.add("line " + std::to_string(i));
  ASSERT_EQ(log.tail().size(), 25U);
  EXPECT_EQ(log.tail().back(), "line 99");
}

}  // namespace
