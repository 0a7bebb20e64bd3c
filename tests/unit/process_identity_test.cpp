// SPDX-License-Identifier: MIT
#include "process/process_identity.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using test::TemporaryFolder;

// A child of the test's own that waits to be killed; its name is what /proc/<pid>/stat shows between parentheses.
class Waiter {
 public:
  explicit Waiter(const char* name = "waiter") {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_NAME, name);
      static_cast<void>(::write(ready[1], "x", 1) == 1);
      while (true) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Waiter() {
    kill();
    reap();
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  int pid() const { return pid_; }
  void kill() { ::kill(pid_, SIGKILL); }
  // Until it is a zombie.
  void await_end() {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
  }
  void reap() {
    if (!reaped_) ::waitpid(pid_, nullptr, 0);
    reaped_ = true;
  }

 private:
  pid_t pid_ = 0;
  bool reaped_ = false;
};

ProcessRecord record_of(int pid, const std::string& home) {
  ProcessRecord record;
  record.process = ProcessIdentity::of(pid).value();
  record.home = FolderIdentity::of(home).value();
  record.backend = "qemu";
  record.executable = "/usr/bin/qemu-system-x86_64";
  record.started = now_utc();
  return record;
}

TEST(ProcessIdentity, IsStableAndTellsProcessesApart) {
  const auto self = ProcessIdentity::of(::getpid());
  ASSERT_TRUE(self) << self.error().message;
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_GT(self->start_time, 0u);
  EXPECT_EQ(self->boot_id.size(), 36u);
  EXPECT_EQ(ProcessIdentity::of(::getpid())->start_time, self->start_time);
  ::usleep(20'000);  // two clock ticks
  const Waiter other;
  EXPECT_GT(ProcessIdentity::of(other.pid())->start_time, self->start_time);
}

TEST(ProcessIdentity, ReadsPastNamesWithParenthesesAndSpaces) {
  const Waiter plain, odd(") 1 (x y) R");
  const auto a = ProcessIdentity::of(plain.pid()), b = ProcessIdentity::of(odd.pid());
  ASSERT_TRUE(a && b);
  EXPECT_GE(b->start_time, a->start_time);
  EXPECT_LT(b->start_time, a->start_time + 100);  // within a second
}

TEST(ProcessIdentity, KnowsNoDeadOnes) {
  Waiter waiter;
  ASSERT_TRUE(ProcessIdentity::of(waiter.pid()));
  waiter.kill();
  waiter.await_end();
  EXPECT_EQ(ProcessIdentity::of(waiter.pid()).error().kind, ErrorKind::not_found) << "a zombie";
  waiter.reap();
  EXPECT_EQ(ProcessIdentity::of(waiter.pid()).error().kind, ErrorKind::not_found);
  EXPECT_EQ(ProcessIdentity::of(0).error().kind, ErrorKind::not_found);
  EXPECT_EQ(ProcessIdentity::of(-1).error().kind, ErrorKind::not_found);
}

TEST(ProcessRecord, GoesThereAndBack) {
  TemporaryFolder folder;
  ProcessRecord record = record_of(::getpid(), folder.path());
  record.hardware = R"({"machine":"pc-q35-7.2"})";
  record.endpoints = R"([{"id":"net0"}])";
  std::ofstream(folder / "process.json") << render_process_record(record);
  auto back = read_process_record(folder.path());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->process.pid, record.process.pid);
  EXPECT_EQ(back->process.start_time, record.process.start_time);
  EXPECT_EQ(back->process.boot_id, record.process.boot_id);
  EXPECT_EQ(back->home.device, record.home.device);
  EXPECT_EQ(back->home.inode, record.home.inode);
  EXPECT_EQ(back->backend, "qemu");
  EXPECT_EQ(back->executable, record.executable);
  EXPECT_EQ(back->started, record.started);
  EXPECT_EQ(back->hardware, record.hardware);
  EXPECT_EQ(back->endpoints, record.endpoints);
  EXPECT_FALSE(back->exit);

  record.exit = ProcessRecord::Exit{now_utc(), -1, 9, "killed \xff"};
  std::ofstream(folder / "process.json") << render_process_record(record);
  back = read_process_record(folder.path());
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_TRUE(back->exit);
  EXPECT_EQ(back->exit->code, -1);
  EXPECT_EQ(back->exit->signal, 9);
  EXPECT_EQ(back->exit->time, record.exit->time);
  EXPECT_FALSE(is_alive(*back, folder.path())) << "it says that it has ended";
}

TEST(ProcessRecord, IsRefusedWhenItIsNotOurs) {
  TemporaryFolder folder;
  EXPECT_EQ(read_process_record(folder.path()).error().kind, ErrorKind::not_found);
  std::string text = render_process_record(record_of(::getpid(), folder.path()));
  const auto kind_with = [&](const std::string& changed) {
    std::ofstream(folder / "process.json") << changed;
    const auto record = read_process_record(folder.path());
    return record ? std::string("read") : std::string(kind_name(record.error().kind));
  };
  EXPECT_EQ(kind_with(text), "read");
  EXPECT_EQ(kind_with(""), "corrupted");
  EXPECT_EQ(kind_with(text.substr(0, text.size() / 2)), "corrupted");
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    EXPECT_NE(changed.find(from), std::string::npos) << from;
    return changed.replace(changed.find(from), from.size(), to);
  };
  EXPECT_EQ(kind_with(replaced("\"schema\": 1", "\"schema\": 2")), "corrupted");
  EXPECT_EQ(kind_with(replaced("\"pid\": " + std::to_string(::getpid()), "\"pid\": 0")), "corrupted");
  EXPECT_EQ(kind_with(replaced("boot_id", "bootid")), "corrupted");
}

TEST(IsAlive, NeedsTheSameProcessBootAndHome) {
  TemporaryFolder folder, copy;
  Waiter waiter;
  const ProcessRecord record = record_of(waiter.pid(), folder.path());
  EXPECT_TRUE(is_alive(record, folder.path()));
  EXPECT_FALSE(is_alive(record, copy.path())) << "a copied home owns nothing";
  EXPECT_FALSE(is_alive(record, folder / "absent"));
  auto other = record;
  other.process.start_time += 1;
  EXPECT_FALSE(is_alive(other, folder.path())) << "the pid was reused";
  EXPECT_EQ(open_process(other.process).error().kind, ErrorKind::not_found);
  other = record;
  other.process.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_FALSE(is_alive(other, folder.path())) << "the machine was booted anew";
  // Moved, it is the same folder.
  const std::string moved = folder.path() + "-moved";
  std::filesystem::rename(folder.path(), moved);
  EXPECT_TRUE(is_alive(record, moved));
  std::filesystem::rename(moved, folder.path());

  const auto pidfd = open_process(record.process);
  ASSERT_TRUE(pidfd) << pidfd.error().message;
  waiter.kill();
  pollfd ended{pidfd->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 10'000), 1);
  EXPECT_FALSE(is_alive(record, folder.path()));
  waiter.reap();
  EXPECT_EQ(open_process(record.process).error().kind, ErrorKind::not_found);
}

TEST(NowUtc, IsRfc3339WithMilliseconds) {
  const std::string first = now_utc(), shape = "2ddd-dd-ddTdd:dd:dd.dddZ";
  ASSERT_EQ(first.size(), shape.size()) << first;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = first[i] >= '0' && first[i] <= '9';
    EXPECT_TRUE(shape[i] == 'd' ? digit : first[i] == shape[i]) << first << " at " << i;
  }
  ::usleep(2000);
  EXPECT_LT(first, now_utc());
}

}  // namespace
}  // namespace anyvisor
