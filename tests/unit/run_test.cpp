// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "process/spawn.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::entries_in;
using test::TemporaryFolder;

Command shell(const std::string& script) {
  Command command;
  command.argv = {"sh", "-c", script};
  return command;
}

Clock::time_point soon() {
  return Clock::now() + 20s;
}

TEST(Run, CapturesBothStreamsAndTheStatus) {
  const auto done = run(shell("echo out; echo err >&2; exit 3"), soon());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->status, 3);
  EXPECT_EQ(done->output, "out\n");
  EXPECT_EQ(done->errors, "err\n");
  EXPECT_EQ(run(shell("kill -9 $$"), soon()).value().status, 128 + 9);
  EXPECT_EQ(run(shell("exit 0"), Clock::time_point::max()).value().status, 0);
  EXPECT_EQ(run(shell("cat; pwd"), soon()).value().output, "/\n") << "stdin is empty, the folder is /";
}

TEST(Run, FeedsTheInputAndSurvivesProgramsThatDoNotReadIt) {
  const std::string input(1u << 20, 'i');
  EXPECT_EQ(run(shell("cat"), soon(), -1, input).value().output, input);
  EXPECT_EQ(run(shell("exit 5"), soon(), -1, input).value().status, 5);
}

TEST(Run, GivesACleanEnvironment) {
  ::setenv("SECRET_OF_THE_USER", "x", 1);
  ::setenv("ANYVISOR_UNIT_TEST", "passed on", 1);
  Command command;
  command.argv = {"env"};
  command.env = {"ADDED=1", "HOME=/replaced"};
  const auto done = run(command, soon());
  ::unsetenv("SECRET_OF_THE_USER");
  ::unsetenv("ANYVISOR_UNIT_TEST");
  ASSERT_TRUE(done) << done.error().message;
  std::set<std::string> names;
  std::istringstream lines(done->output);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(names.insert(line.substr(0, line.find('='))).second) << "twice: " << line;
  }
  EXPECT_TRUE(names.contains("PATH"));
  EXPECT_TRUE(names.contains("ADDED"));
  EXPECT_TRUE(names.contains("ANYVISOR_UNIT_TEST"));
  EXPECT_FALSE(names.contains("SECRET_OF_THE_USER"));
  EXPECT_NE(done->output.find("HOME=/replaced\n"), std::string::npos);
}

// The script leaves its pids in files; every one of them must be gone.
TEST(Run, KillsTheWholeGroupPastTheDeadline) {
  TemporaryFolder folder;
  const auto start = Clock::now();
  const auto done = run(shell("sleep 61 & echo $! > " + (folder / "pid") + "; sleep 62"), Clock::now() + 150ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::timeout);
  EXPECT_NE(done.error().message.find("\"sh\""), std::string::npos) << done.error().message;
  EXPECT_LT(Clock::now() - start, 10s);
  const int background = std::atoi(read_file(folder / "pid").value().c_str());
  ASSERT_GT(background, 1);
  const auto limit = Clock::now() + 10s;
  while (ProcessIdentity::of(background) && Clock::now() < limit) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(ProcessIdentity::of(background));
}

TEST(Run, CanBeCancelled) {
  const Fd cancel(::eventfd(0, EFD_CLOEXEC));
  std::thread canceller([&] {
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(::eventfd_write(cancel.get(), 1), 0);
  });
  const auto done = run(shell("sleep 60"), soon(), cancel.get());
  canceller.join();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::cancelled);
  EXPECT_EQ(run(shell("exit 0"), soon(), cancel.get()).error().kind, ErrorKind::cancelled) << "already cancelled";
  EXPECT_EQ(run(shell("exit 0"), Clock::now()).error().kind, ErrorKind::timeout) << "no time at all";
}

TEST(Run, DoesNotWaitForWhatAHelperLeavesBehind) {
  const auto start = Clock::now();
  const auto done = run(shell("sleep 60 & echo $!"), soon());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_LT(Clock::now() - start, 10s) << "the background process has the pipe, but the helper has ended";
  const int left_behind = std::atoi(done->output.c_str());
  ASSERT_GT(left_behind, 1);
  EXPECT_EQ(::kill(left_behind, SIGKILL), 0) << "it was left alone";
}

TEST(Run, LimitsTheOutput) {
  const auto done = run(shell("exec cat /dev/zero"), soon());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::exhausted);
}

TEST(Run, LeavesNoZombieAndNoDescriptor) {
  const auto before = entries_in("/proc/self/fd");
  EXPECT_TRUE(run(shell("exit 0"), soon(), -1, "input"));
  EXPECT_FALSE(run(shell("sleep 60"), Clock::now() + 20ms));
  EXPECT_FALSE(run(shell("exec cat /dev/zero"), soon()));
  Command missing;
  missing.argv = {"anyvisor-no-such-program"};
  EXPECT_FALSE(run(missing, soon()));
  EXPECT_EQ(entries_in("/proc/self/fd"), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Run, WorksFromManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int n = 0; n < 8; ++n) {
        const std::string text = std::to_string(t) + "." + std::to_string(n);
        const auto done = run(shell("printf %s " + text), soon());
        ASSERT_TRUE(done) << done.error().message;
        EXPECT_EQ(done->output, text);
      }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace anyvisor
