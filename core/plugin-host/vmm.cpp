// SPDX-License-Identifier: MIT
#include "vmm.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "document/json.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor::host {
namespace {

constexpr std::size_t longest_tail = 2048;  // bytes of a log that go into a message

std::string parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

Vmm::Vmm(std::string folder) : folder_(std::move(folder)), home_(parent(parent(folder_))) {}

void Vmm::describe(std::string backend, std::string endpoints) {
  backend_ = std::move(backend);
  endpoints_ = std::move(endpoints);
}

Result<anyvisor::Child> Vmm::start(Command command) {
  if (alive()) return fail(ErrorKind::already_exists, "the VMM of this instance runs already");
  ProcessRecord record;
  ANYVISOR_TRY(record.home, FolderIdentity::of(home_));
  record.backend = backend_;
  record.executable = command.argv.empty() ? "" : command.argv.front();
  record.started = now_utc();
  record.endpoints = endpoints_;
  (void)mkdir((folder_ + "/logs").c_str(), 0700);
  Fd log(::open((folder_ + "/logs/vmm.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return fail_errno("cannot open the VMM's log", errno);
  struct stat status {};
  if (fstat(log.get(), &status) == 0) log_start_ = static_cast<std::uint64_t>(status.st_size);
  if (command.stdout_fd < 0) command.stdout_fd = log.get();
  command.stderr_fd = log.get();
  command.new_session = true;
  command.record_folder = folder_;
  command.record = record;
  ANYVISOR_TRY(anyvisor::Child child, spawn(command, "vmm.spawn"));
  auto written = read_process_record(folder_);
  std::lock_guard guard(mutex_);
  record_ = written ? std::move(*written) : std::move(record);
  record_->process.pid = child.pid;
  own_child_ = true;
  expected_.clear();
  explained_.clear();
  pidfd_ = Fd(fcntl(child.pidfd.get(), F_DUPFD_CLOEXEC, 3));
  return child;
}

Result<void> Vmm::set_hardware(const std::string& hardware) {
  std::lock_guard guard(mutex_);
  if (!record_ || record_->exit) return {};
  record_->hardware = hardware;
  return write_file_atomically(folder_, "process.json", render_process_record(*record_), "vmm.record");
}

bool Vmm::adopt() {
  auto record = read_process_record(folder_);
  if (!record) return false;
  Result<Fd> process =
      is_alive(*record, home_) ? open_process(record->process) : Result<Fd>(fail(ErrorKind::not_found, ""));
  std::lock_guard guard(mutex_);
  record_ = std::move(*record);
  if (!process) {
    // A record of another home, copied, is not ours to complete.
    auto home = FolderIdentity::of(home_);
    if (!record_->exit && home && home->device == record_->home.device && home->inode == record_->home.inode) {
      record_->exit = ProcessRecord::Exit{now_utc(), -1, 0, "the VMM ended while nobody was watching its exit status"};
      (void)write_file_atomically(folder_, "process.json", render_process_record(*record_), "vmm.exit-record");
    }
    return false;
  }
  expected_.clear();
  explained_.clear();
  endpoints_ = record_->endpoints;
  pidfd_ = std::move(*process);
  own_child_ = false;
  return true;
}

void Vmm::expect_end(const std::string& reason) {
  std::lock_guard guard(mutex_);
  expected_ = reason;
}

bool Vmm::end_is_awaited() const {
  std::lock_guard guard(mutex_);
  return !expected_.empty() || waiting_ > 0;
}

void Vmm::explain_end(const std::string& reason) {
  std::lock_guard guard(mutex_);
  explained_ = reason;
}

bool Vmm::ended() const {
  std::lock_guard guard(mutex_);
  pollfd process{pidfd_.get(), POLLIN, 0};
  return pidfd_ && poll(&process, 1, 0) > 0;
}

void Vmm::kill() {
  std::lock_guard guard(mutex_);
  if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

bool Vmm::wait_ended(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  const bool ended = ended_.wait_for(lock, patience, [&] { return !pidfd_; });
  --waiting_;
  return ended;
}

int Vmm::pidfd() const {
  std::lock_guard guard(mutex_);
  return pidfd_.get();
}

ProcessRecord::Exit Vmm::reap() {
  ProcessRecord::Exit exit;
  exit.time = now_utc();
  siginfo_t info{};
  if (!own_child_ || waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
    exit.reason = "the VMM ended; its exit status is not known, as an earlier plugin-host had started it";
    return exit;
  }
  if (info.si_code == CLD_EXITED) {
    exit.code = info.si_status;
    exit.reason = exit.code == 0 ? "the VMM ended" : "the VMM ended with exit code " + std::to_string(exit.code);
  } else {
    exit.signal = info.si_status;
    exit.reason = "the VMM was killed by signal " + std::to_string(exit.signal) + " (" + strsignal(exit.signal) + ")";
  }
  return exit;
}

std::string Vmm::on_end() {
  std::unique_lock lock(mutex_);
  if (!pidfd_) return {};
  auto exit = reap();
  if (!expected_.empty()) {
    exit.reason = expected_;
  } else if (exit.code <= 0 && exit.signal == 0 && !explained_.empty()) {
    exit.reason = explained_;
  } else if (exit.code > 0) {
    lock.unlock();
    if (std::string tail = log_tail(); !tail.empty()) exit.reason += ": " + tail;
    lock.lock();
  }
  std::string reason = expected_.empty() ? exit.reason : std::string();
  if (record_) {
    record_->exit = std::move(exit);
    (void)write_file_atomically(folder_, "process.json", render_process_record(*record_), "vmm.exit-record");
  }
  pidfd_.reset();
  ended_.notify_all();
  return reason;
}

std::optional<ProcessRecord> Vmm::record() const {
  std::lock_guard guard(mutex_);
  return record_;
}

std::string Vmm::log_tail() const {
  Fd log(::open((folder_ + "/logs/vmm.log").c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!log || fstat(log.get(), &status) != 0) return {};
  auto size = static_cast<std::uint64_t>(status.st_size);
  std::uint64_t from = size > log_start_ + longest_tail ? size - longest_tail : std::min(log_start_, size);
  std::string text(size - from, '\0');
  ssize_t got = pread(log.get(), text.data(), text.size(), static_cast<off_t>(from));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return json::valid_utf8(text);
}

}  // namespace anyvisor::host
