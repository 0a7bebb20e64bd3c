// SPDX-License-Identifier: MIT
#include "process/spawn.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using test::entries_in;
using test::TemporaryFolder;

// Started, and killed and reaped at the end.
class Started {
 public:
  explicit Started(const Command& command) : child_(spawn(command, "test.spawn")) {
    EXPECT_TRUE(child_) << child_.error().message;
  }
  ~Started() {
    if (!child_) return;
    ::kill(child_->pid, SIGKILL);
    ::waitpid(child_->pid, nullptr, 0);
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;
  int pid() const { return child_ ? child_->pid : 0; }
  int pidfd() const { return child_ ? child_->pidfd.get() : -1; }
  // Every descriptor that it has, with what it leads to.
  std::map<int, std::string> descriptors() const {
    std::map<int, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid()) + "/fd"))
      found[std::stoi(entry.path().filename())] = std::filesystem::read_symlink(entry.path());
    return found;
  }
  // The value of a line of /proc/<pid>/status.
  std::string status(const std::string& name) const {
    std::ifstream file("/proc/" + std::to_string(pid()) + "/status");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
    return {};
  }

 private:
  Result<Child> child_;
};

Command sleeper(const std::string& seconds = "60") {
  Command command;
  command.argv = {"sleep", seconds};
  return command;
}

ProcessRecord record_for(const std::string& home) {
  ProcessRecord record;
  record.home = FolderIdentity::of(home).value();
  record.backend = "qemu";
  record.hardware = R"({"pid": 2000000011, "start_time": 2000000000000000011})";  // must not be taken for the stand-ins
  return record;
}

TEST(Spawn, GivesNothingButWhatIsListed) {
  const Fd open_without_cloexec(::open("/dev/zero", O_RDONLY));
  const Fd shared(::memfd_create("shared", 0));
  Command command = sleeper();
  command.fds = {{shared.get(), 7}};
  const Started child(command);
  const auto descriptors = child.descriptors();
  std::set<int> numbers;
  for (const auto& [number, target] : descriptors) numbers.insert(number);
  EXPECT_EQ(numbers, (std::set<int>{0, 1, 2, 7}));
  for (const int standard : {0, 1, 2}) EXPECT_EQ(descriptors.at(standard), "/dev/null");
  EXPECT_TRUE(descriptors.at(7).starts_with("/memfd:shared"));
}

TEST(Spawn, MovesDescriptorsThatSwapPlaces) {
  Fd a(::memfd_create("a", MFD_CLOEXEC)), b(::memfd_create("b", MFD_CLOEXEC));
  Command command = sleeper();
  command.fds = {{a.get(), b.get()}, {b.get(), a.get()}, {a.get(), 40}};
  // The numbers that the machinery itself would use in between.
  for (int number = 3; number < 30; ++number)
    if (number != a.get() && number != b.get()) command.fds.emplace_back(a.get(), number);
  command.stdout_fd = b.get();
  const Started child(command);
  const auto descriptors = child.descriptors();
  EXPECT_TRUE(descriptors.at(a.get()).starts_with("/memfd:b"));
  EXPECT_TRUE(descriptors.at(b.get()).starts_with("/memfd:a"));
  EXPECT_TRUE(descriptors.at(40).starts_with("/memfd:a"));
  EXPECT_TRUE(descriptors.at(1).starts_with("/memfd:b"));
  EXPECT_EQ(descriptors.size(), 3u + 27u + 1u);
}

TEST(Spawn, RefusesImpossibleDescriptors) {
  for (const std::pair<int, int>& wrong : {std::pair{0, 2}, std::pair{-1, 3}}) {
    Command command = sleeper();
    command.fds = {wrong};
    EXPECT_EQ(spawn(command, "test.spawn").error().kind, ErrorKind::invalid_argument);
  }
  Command twice = sleeper();
  twice.fds = {{0, 3}, {1, 3}};
  EXPECT_EQ(spawn(twice, "test.spawn").error().kind, ErrorKind::invalid_argument);
  Command closed = sleeper();
  closed.fds = {{987, 3}};
  EXPECT_FALSE(spawn(closed, "test.spawn"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "the failed child was reaped";
}

TEST(Spawn, StartsWithCleanSignalsInItsOwnSession) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  auto* const old_handler = ::signal(SIGPIPE, SIG_IGN);
  {
    const Started child(sleeper());
    EXPECT_EQ(child.status("SigBlk"), "0000000000000000");
    EXPECT_EQ(child.status("SigIgn"), "0000000000000000");
    EXPECT_EQ(::getsid(child.pid()), child.pid());
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(child.pid()) + "/cwd"), "/");
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_EQ(::sigismember(&now, SIGTERM), 1) << "the caller's mask is as it was";
    EXPECT_EQ(::sigismember(&now, SIGINT), 0);
  }
  ::signal(SIGPIPE, old_handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(Spawn, GivesAPidfdThatTellsTheEnd) {
  const Started child(sleeper());
  pollfd ended{child.pidfd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 0), 0);
  ::kill(child.pid(), SIGKILL);
  EXPECT_EQ(::poll(&ended, 1, 10'000), 1);
  EXPECT_NE(::fcntl(child.pidfd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(Spawn, ReportsWhatCannotBeStarted) {
  TemporaryFolder folder;
  const auto kind_of = [&](const std::string& program) {
    Command command;
    command.argv = {program};
    command.record_folder = folder.path();
    command.record = record_for(folder.path());
    const auto child = spawn(command, "test.spawn");
    EXPECT_FALSE(child) << program;
    if (!child) {
      EXPECT_NE(child.error().message.find(program), std::string::npos) << child.error().message;
    }
    return child ? "started" : std::string(kind_name(child.error().kind));
  };
  EXPECT_EQ(kind_of("anyvisor-no-such-program"), "not_found");
  EXPECT_EQ(kind_of(folder / "absent"), "not_found");
  EXPECT_EQ(kind_of(folder.path()), "unavailable");
  const auto make = [&](const std::string& name, const std::string& text, mode_t mode) {
    std::ofstream(folder / name) << text;
    EXPECT_EQ(::chmod((folder / name).c_str(), mode), 0);
    return folder / name;
  };
  EXPECT_EQ(kind_of(make("not-executable", "#!/bin/sh\n", 0600)), "unavailable");
  EXPECT_EQ(kind_of(make("no-interpreter", "#!/no/such/interpreter\n", 0700)), "not_found");
  EXPECT_EQ(kind_of(make("no-program", "\x01\x02", 0700)), "unavailable");
  EXPECT_FALSE(std::filesystem::exists(folder / "process.json")) << "no record of what never ran";
  EXPECT_EQ(entries_in(folder.path()), 3u) << "and no temporary file";
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "every failed child was reaped";
  EXPECT_FALSE(spawn(Command{}, "test.spawn"));
}

TEST(Spawn, ReportsAFolderThatIsNotThere) {
  Command command = sleeper();
  command.folder = "/no/such/folder";
  const auto child = spawn(command, "test.spawn");
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().message.find("/no/such/folder"), std::string::npos) << child.error().message;
}

TEST(SpawnRecord, IsTheChildsOwn) {
  TemporaryFolder folder;
  Command command = sleeper();
  command.record_folder = folder.path();
  command.record = record_for(folder.path());
  const Started child(command);
  const auto record = read_process_record(folder.path());
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->process.pid, child.pid());
  EXPECT_EQ(record->process.start_time, ProcessIdentity::of(child.pid())->start_time);
  EXPECT_EQ(record->hardware, R"({"pid":2000000011,"start_time":2000000000000000011})");
  EXPECT_FALSE(record->executable.empty());
  EXPECT_FALSE(record->started.empty());
  EXPECT_FALSE(record->exit);
  EXPECT_TRUE(is_alive(*record, folder.path()));
  EXPECT_EQ(entries_in(folder.path()), 1u);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "process.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(SpawnRecord, FailsTheStartWhenItCannotBeWritten) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "process.json");  // nothing can be renamed over it
  Command command = sleeper("59.97");
  command.record_folder = folder.path();
  command.record = record_for(folder.path());
  const auto child = spawn(command, "test.spawn");
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().message.find("record"), std::string::npos) << child.error().message;
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

// Pids of processes with exactly this command line.
std::set<int> running(const std::vector<std::string>& argv) {
  std::string wanted;
  for (const auto& argument : argv) wanted += argument + '\0';
  std::set<int> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (read_file("/proc/" + name + "/cmdline").value_or("") == wanted && ProcessIdentity::of(std::stoi(name)))
      pids.insert(std::stoi(name));
  }
  return pids;
}

// Whenever the process that starts a VMM is killed: a VMM that runs is in the record.
TEST(SpawnRecord, IsThereWheneverTheParentIsKilled) {
  TemporaryFolder folder;
  Command command = sleeper("60." + std::to_string(::getpid()));
  command.argv.front() = find_program("sleep").value();
  command.record_folder = folder.path();
  command.record = record_for(folder.path());
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int started = 0;
  for (int round = 0; round < 24; ++round) {
    const pid_t parent = ::fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
      const auto child = spawn(command, "test.spawn");
      if (round % 4 == 0) ::kill(::getpid(), SIGKILL);  // at once after it returned
      while (child) ::pause();
      ::_exit(1);
    }
    if (round % 4 != 0) {
      ::usleep(static_cast<useconds_t>(round * 200));
      ::kill(parent, SIGKILL);
    }
    ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
    // Orphans are ours now. One that is between fork and exec is on its way still: wait until it is the program or is
    // gone.
    std::set<int> pids;
    while (::waitpid(-1, nullptr, WNOHANG) == 0 && (pids = running(command.argv)).empty()) ::usleep(500);
    ASSERT_LE(pids.size(), 1u);
    EXPECT_GE(pids.size(), round % 4 == 0 ? 1u : 0u);
    for (const int pid : pids) {
      ++started;
      const auto record = read_process_record(folder.path());
      ::kill(pid, SIGKILL);
      ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
      ASSERT_TRUE(record) << "runs without a record";
      EXPECT_EQ(record->process.pid, pid);
    }
    std::filesystem::remove(folder / "process.json");
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  EXPECT_GE(started, 6);
}

TEST(FindProgram, LooksOnPath) {
  const auto found = find_program("sleep");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_TRUE(found->ends_with("/sleep"));
  const auto missing = find_program("anyvisor-no-such-program");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_NE(missing.error().message.find("anyvisor-no-such-program"), std::string::npos);
  EXPECT_FALSE(missing.error().hint.empty());
}

}  // namespace
}  // namespace anyvisor
