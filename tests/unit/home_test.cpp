// SPDX-License-Identifier: MIT
#include "storage/home.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using test::TemporaryFolder;

// Sets a variable, or removes it (nullptr), for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Home, IsMadePrivateAndOpensAgain) {
  TemporaryFolder folder;
  const auto home = Home::open(folder / "deep/home/");
  ASSERT_TRUE(home) << home.error().message;
  EXPECT_EQ(home->path(), folder / "deep/home");
  for (const auto& path :
       {home->path(), home->instances(), home->staging(), home->disks(), home->images(), home->cache()}) {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
    EXPECT_TRUE(S_ISDIR(status.st_mode)) << path;
    EXPECT_EQ(status.st_mode & 0777, 0700u) << path;
  }
  std::filesystem::remove_all(home->cache());
  EXPECT_TRUE(Home::open(home->path()));
  EXPECT_TRUE(std::filesystem::is_directory(home->cache()));
}

TEST(Home, IsFoundWithoutBeingMade) {
  TemporaryFolder folder;
  const auto home = Home::find(folder / "nowhere/home");
  ASSERT_TRUE(home) << home.error().message;
  EXPECT_EQ(home->path(), folder / "nowhere/home");
  EXPECT_FALSE(home->is_there());
  EXPECT_FALSE(std::filesystem::exists(folder / "nowhere"));
  // Neither is a folder filled that somebody else uses for something.
  ASSERT_TRUE(std::filesystem::create_directory(folder / "other"));
  EXPECT_FALSE(Home::find(folder / "other")->is_there());
  EXPECT_TRUE(std::filesystem::is_empty(folder / "other"));
  ASSERT_TRUE(home->make());
  EXPECT_TRUE(home->is_there());
}

TEST(Home, IsAbsolute) {
  TemporaryFolder folder;
  const std::string before = std::filesystem::current_path();
  ASSERT_EQ(::chdir(folder.path().c_str()), 0);
  const auto home = Home::open("./a//b/");
  ASSERT_EQ(::chdir(before.c_str()), 0);
  ASSERT_TRUE(home) << home.error().message;
  EXPECT_EQ(std::filesystem::canonical(home->path()), std::filesystem::canonical(folder / "a/b"));
  EXPECT_EQ(home->path().find("//"), std::string::npos);
  EXPECT_EQ(home->path().find("/./"), std::string::npos);
}

TEST(Home, FollowsTheEnvironment) {
  TemporaryFolder folder;
  const std::string named = folder / "named";
  Variable anyvisor("ANYVISOR_HOME", named.c_str());
  EXPECT_EQ(Home::open("").value().path(), named);
  EXPECT_EQ(Home::open(folder / "given").value().path(), folder / "given");
}

// What a plain user gets. As root the default lies outside of what a test may touch, so a child becomes another user.
TEST(Home, DefaultsToTheUsersDataFolder) {
  TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
    ::unsetenv("ANYVISOR_HOME");
    const std::string data = folder / "data", user = folder / "user";
    ::setenv("XDG_DATA_HOME", data.c_str(), 1);
    ::setenv("HOME", user.c_str(), 1);
    const auto by_xdg = Home::open("");
    if (!by_xdg || by_xdg->path() != data + "/anyvisor") ::_exit(1);
    ::setenv("XDG_DATA_HOME", "relative", 1);
    const auto by_home = Home::open("");
    if (!by_home || by_home->path() != user + "/.local/share/anyvisor") ::_exit(2);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Home, RefusesWhatIsNoFolder) {
  TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  for (const auto& path : {folder / "file", folder / "file/below"}) {
    const auto home = Home::open(path);
    ASSERT_FALSE(home) << path;
    EXPECT_EQ(home.error().kind, ErrorKind::corrupted) << home.error().message;
    EXPECT_FALSE(home.error().hint.empty());
  }
  ASSERT_TRUE(Home::open(folder / "home"));
  std::filesystem::remove(folder / "home/disks");
  std::ofstream(folder / "home/disks") << "x";
  EXPECT_EQ(Home::open(folder / "home").error().kind, ErrorKind::corrupted);
}

TEST(Home, RefusesAFolderOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  TemporaryFolder folder;
  ASSERT_TRUE(Home::open(folder / "home"));
  ASSERT_EQ(::chown((folder / "home").c_str(), 65534, 65534), 0);
  const auto home = Home::open(folder / "home");
  ASSERT_FALSE(home);
  EXPECT_EQ(home.error().kind, ErrorKind::unavailable);
  EXPECT_NE(home.error().message.find("user 65534"), std::string::npos) << home.error().message;
}

TEST(Home, RefusesAFolderThatItCannotWrite) {
  TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
    const std::string path = folder / "home";
    if (::mkdir(path.c_str(), 0500) != 0) ::_exit(11);
    const auto existing = Home::open(path);
    if (existing || existing.error().kind != ErrorKind::unavailable) ::_exit(1);
    const auto below = Home::open(path + "/below");
    if (below || below.error().kind != ErrorKind::unavailable) ::_exit(2);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace anyvisor
