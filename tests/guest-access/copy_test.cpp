// SPDX-License-Identifier: MIT
#include "guest/copy.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <set>

#include "ssh_server.hpp"

namespace anyvisor {
namespace {

using test::content_of;
using test::SshServer;
using test::write_content;

namespace fs = std::filesystem;

Result<void> copy_with(const SshServer& server, std::vector<CopyPlace> sources, CopyPlace destination,
                       bool recursive = false) {
  CopyRequest request;
  request.sources = std::move(sources);
  request.destination = std::move(destination);
  request.recursive = recursive;
  return copy_over_ssh({{"fake", server.access()}}, request, -1);
}

std::set<std::string> files_below(const std::string& folder) {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    found.insert(entry.path().string().substr(folder.size() + 1));
  return found;
}

TEST(Copy, ThereAndBackWithOddNames) {
  SshServer server;
  SKIP_WITHOUT(server);
  const std::string source = server.folder() + "/source", guest = server.folder() + "/guest";
  fs::create_directories(source + "/a folder");
  fs::create_directories(guest);
  for (const char* name : {"-dash", "star*", "[x]", "new\nline", "it's", "a:b", "back\\slash", "a folder/x"})
    write_content(source + "/" + name, std::string("content of ") + name);
  auto there = copy_with(server, {{"", source}}, {"fake", guest}, true);
  ASSERT_TRUE(there) << there.error().message;
  auto back = copy_with(server, {{"fake", guest + "/source"}}, {"", server.folder() + "/back"}, true);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(files_below(server.folder() + "/back"), files_below(source));
  for (const char* name : {"star*", "[x]", "new\nline", "back\\slash", "a:b"}) {
    const std::string target = server.folder() + "/one";
    auto one = copy_with(server, {{"fake", guest + "/source/" + name}}, {"", target});
    ASSERT_TRUE(one) << name << ": " << one.error().message;
    EXPECT_EQ(content_of(target), std::string("content of ") + name);
  }
}

TEST(Copy, WhatCannotBeCopiedIsSaid) {
  SshServer server;
  SKIP_WITHOUT(server);
  const std::string folder = server.folder() + "/folder", file = server.folder() + "/file";
  fs::create_directories(folder);
  write_content(file, "x");
  const auto kind_of = [](const Result<void>& result) { return result ? ErrorKind::internal : result.error().kind; };
  EXPECT_EQ(kind_of(copy_with(server, {{"", folder}}, {"fake", folder})), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(copy_with(server, {{"fake", folder}}, {"", folder})), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(copy_with(server, {{"", folder + "/none"}}, {"fake", folder})), ErrorKind::not_found);
  EXPECT_EQ(kind_of(copy_with(server, {{"fake", folder + "/none"}}, {"", folder})), ErrorKind::not_found);
  EXPECT_EQ(kind_of(copy_with(server, {{"fake", file}, {"fake", file}}, {"", file})), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(copy_with(server, {{"fake", file}}, {"", folder + "/none/none"})), ErrorKind::not_found);
  const auto full = copy_with(server, {{"", file}}, {"fake", "/dev/full"});
  EXPECT_EQ(kind_of(full), ErrorKind::exhausted) << (full ? "" : full.error().message);
}

TEST(Copy, AHostileGuestCannotLeaveTheTarget) {
  const std::string script = ANYVISOR_TEST_FOLDER "/hostile_sftp.py";
  const std::string offered = ::testing::TempDir() + "anyvisor-absolute-name-" + std::to_string(::getpid());
  SshServer server("Subsystem sftp /usr/bin/python3 " + script + " " + offered);
  SKIP_WITHOUT(server);
  if (::access("/usr/bin/python3", X_OK) != 0) GTEST_SKIP() << "no /usr/bin/python3";
  const std::string world = server.folder() + "/world", target = world + "/inner/target";
  fs::create_directories(target);
  write_content(world + "/inner/escaped", "mine");
  // The server answers as it should, so that what follows is worth something.
  auto plain = copy_with(server, {{"fake", "some file"}}, {"", target + "/plain"});
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(content_of(target + "/plain"), "written by the guest\n");

  auto all = copy_with(server, {{"fake", "top"}}, {"", target}, true);
  EXPECT_TRUE(fs::exists(target + "/top/good")) << (all ? "" : all.error().message);
  EXPECT_EQ(content_of(world + "/inner/escaped"), "mine");
  EXPECT_FALSE(fs::exists(offered));
  std::set<std::string> outside;
  for (const auto& name : files_below(world))
    if (!name.starts_with("inner/target")) outside.insert(name);
  EXPECT_EQ(outside, (std::set<std::string>{"inner", "inner/escaped"}));
  for (const auto& entry : fs::recursive_directory_iterator(target)) {
    EXPECT_FALSE(fs::is_symlink(entry.symlink_status())) << entry.path();
    struct stat status {};
    ASSERT_EQ(::lstat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07000u, 0u) << "a guest made a program setuid: " << entry.path();
  }
  const std::string said = all ? "" : all.error().message;
  EXPECT_EQ(said.find('\x1b'), std::string::npos) << "a terminal would obey the guest";
  EXPECT_NE(said.find("suspect path"), std::string::npos) << "the guest was not hostile after all: " << said;
}

}  // namespace
}  // namespace anyvisor
