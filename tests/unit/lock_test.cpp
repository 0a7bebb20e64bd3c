// SPDX-License-Identifier: MIT
#include "storage/lock.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "process/spawn.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using test::TemporaryFolder;
using Mode = FileLock::Mode;
using Clock = std::chrono::steady_clock;

TEST(FileLock, ExcludesAndSaysWhat) {
  TemporaryFolder folder;
  auto held = FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "instance \"web\"");
  ASSERT_TRUE(held) << held.error().message;
  const auto second = FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "instance \"web\"");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::busy);
  EXPECT_EQ(second.error().message, "instance \"web\" is in use by another process");
  EXPECT_TRUE(second.error().retry);
  EXPECT_FALSE(FileLock::acquire(folder / "lock", Mode::shared, 0ms, "it"));
  EXPECT_FALSE(FileLock::is_free(folder / "lock"));
  { const FileLock ended = std::move(*held); }
  EXPECT_TRUE(FileLock::is_free(folder / "lock"));
  EXPECT_TRUE(FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "it"));
  struct stat status {};
  ASSERT_EQ(::stat((folder / "lock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(FileLock, IsSharedByReaders) {
  TemporaryFolder folder;
  const auto one = FileLock::acquire(folder / "lock", Mode::shared, 0ms, "it");
  const auto two = FileLock::acquire(folder / "lock", Mode::shared, 0ms, "it");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "it").error().kind, ErrorKind::busy);
  EXPECT_FALSE(FileLock::is_free(folder / "lock"));
}

TEST(FileLock, WaitsAsLongAsItMay) {
  TemporaryFolder folder;
  auto held = FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "it");
  ASSERT_TRUE(held);
  const auto start = Clock::now();
  EXPECT_EQ(FileLock::acquire(folder / "lock", Mode::exclusive, 60ms, "it").error().kind, ErrorKind::busy);
  EXPECT_GE(Clock::now() - start, 60ms);
  std::thread holder([lock = std::move(*held)]() mutable {
    std::this_thread::sleep_for(50ms);
    const FileLock ended = std::move(lock);
  });
  EXPECT_TRUE(FileLock::acquire(folder / "lock", Mode::exclusive, 10s, "it"));
  holder.join();
}

TEST(FileLock, NeedsTheFileWhenToldSo) {
  TemporaryFolder folder;
  EXPECT_EQ(FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "it", false).error().kind, ErrorKind::not_found);
  EXPECT_TRUE(FileLock::is_free(folder / "lock"));
  EXPECT_FALSE(std::filesystem::exists(folder / "lock"));
  EXPECT_EQ(FileLock::acquire(folder / "absent/lock", Mode::exclusive, 0ms, "it").error().kind, ErrorKind::not_found);
}

// The folder moves away while somebody waits for the lock in it: what the waiter then holds guards nothing.
TEST(FileLock, NoticesThatTheFolderMoved) {
  for (const bool replaced : {false, true}) {
    TemporaryFolder folder;
    std::filesystem::create_directory(folder / "a");
    auto held = FileLock::acquire(folder / "a/lock", Mode::exclusive, 0ms, "it");
    ASSERT_TRUE(held);
    std::thread mover([&, lock = std::move(*held)]() mutable {
      std::this_thread::sleep_for(40ms);
      std::filesystem::rename(folder / "a", folder / "b");
      if (replaced) {
        std::filesystem::create_directory(folder / "a");
        EXPECT_TRUE(FileLock::acquire(folder / "a/lock", Mode::shared, 0ms, "it"));
      }
      const FileLock ended = std::move(lock);
    });
    const auto waited = FileLock::acquire(folder / "a/lock", Mode::exclusive, 10s, "it", false);
    mover.join();
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().kind, ErrorKind::not_found) << waited.error().message;
    EXPECT_TRUE(FileLock::is_free(folder / "b/lock"));
  }
}

TEST(FileLock, EndsWithAKilledHolder) {
  TemporaryFolder folder;
  const pid_t holder = ::fork();
  ASSERT_GE(holder, 0);
  if (holder == 0) {
    const auto lock = FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "it");
    while (lock) ::pause();
    ::_exit(1);
  }
  const auto limit = Clock::now() + 10s;
  while (FileLock::is_free(folder / "lock") && Clock::now() < limit) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(FileLock::is_free(folder / "lock"));
  ::kill(holder, SIGKILL);
  EXPECT_EQ(::waitpid(holder, nullptr, 0), holder);
  EXPECT_TRUE(FileLock::is_free(folder / "lock"));
}

TEST(FileLock, IsNotInheritedBySpawnedPrograms) {
  TemporaryFolder folder;
  auto held = FileLock::acquire(folder / "lock", Mode::exclusive, 0ms, "it");
  ASSERT_TRUE(held);
  Command command;
  command.argv = {"sleep", "30"};
  const auto child = spawn(command, "test.spawn");
  ASSERT_TRUE(child) << child.error().message;
  { const FileLock ended = std::move(*held); }
  EXPECT_TRUE(FileLock::is_free(folder / "lock"));
  EXPECT_EQ(::kill(child->pid, 0), 0) << "the program must still live";
  ::kill(child->pid, SIGKILL);
  EXPECT_EQ(::waitpid(child->pid, nullptr, 0), child->pid);
}

}  // namespace
}  // namespace anyvisor
