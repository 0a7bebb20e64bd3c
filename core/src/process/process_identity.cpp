// SPDX-License-Identifier: MIT
#include "process/process_identity.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace anyvisor {

namespace {

Result<std::string> read_boot_id() {
  ANYVISOR_TRY(auto text, read_file("/proc/sys/kernel/random/boot_id"));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// What /proc/<pid>/stat says: the state and field 22. The second field, the program's name in parentheses, may hold
// spaces and parentheses of its own: the last ')' ends it.
struct Stat {
  char state = '?';
  std::uint64_t start_time = 0;
};

bool parse_stat(std::string_view text, Stat& stat) {
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return false;
  text.remove_prefix(name_end + 2);
  stat.state = text.front();
  for (int field = 3; field < 22; ++field) {
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return false;
    text.remove_prefix(space + 1);
  }
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), stat.start_time);
  return parsed.ec == std::errc();
}

}  // namespace

Result<ProcessIdentity> ProcessIdentity::of(int pid) {
  const std::string subject = "process " + std::to_string(pid);
  if (pid <= 0) return fail(ErrorKind::not_found, subject + " does not exist");
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  // A process that ends between open and read gives ESRCH.
  if (!text) return fail(ErrorKind::not_found, subject + " does not exist");
  Stat stat;
  if (!parse_stat(*text, stat))
    return fail(ErrorKind::internal, "cannot understand /proc/" + std::to_string(pid) + "/stat");
  // Ended and not yet reaped: nothing runs any more.
  if (stat.state == 'Z' || stat.state == 'X') return fail(ErrorKind::not_found, subject + " has ended");
  static const Result<std::string> boot_id = read_boot_id();
  if (!boot_id) return tl::unexpected<Error>(boot_id.error());
  return ProcessIdentity{pid, stat.start_time, *boot_id};
}

Result<FolderIdentity> FolderIdentity::of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno("cannot look at folder \"" + path + "\"", errno);
  return FolderIdentity{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

bool is_alive(const ProcessRecord& record, const std::string& home) {
  if (record.exit) return false;
  const auto folder = FolderIdentity::of(home);
  if (!folder || folder->device != record.home.device || folder->inode != record.home.inode) return false;
  const auto process = ProcessIdentity::of(record.process.pid);
  return process && *process == record.process;
}

Result<Fd> open_process(const ProcessIdentity& wanted) {
  const int pid = wanted.pid;
  const auto gone = [&] { return fail(ErrorKind::not_found, "process " + std::to_string(pid) + " has ended"); };
  if (pid <= 0) return gone();
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    if (errno == ESRCH || errno == EINVAL) return gone();
    return fail_errno("cannot open process " + std::to_string(pid), errno);
  }
  // Looked at after opening: if it is the wanted one now, the descriptor is the wanted one's.
  const auto process = ProcessIdentity::of(pid);
  if (!process || *process != wanted) return gone();
  return pidfd;
}

std::string now_utc() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1'000'000);
  return text.data();
}

}  // namespace anyvisor
