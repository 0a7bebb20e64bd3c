// SPDX-License-Identifier: MIT
#include "process/background_job.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "document/json.hpp"
#include "process/spawn.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr int schema = 1;
constexpr milliseconds ending_patience{3000};  // one that ends, since the machine was started meanwhile
constexpr int end_limit_ms = 1500;             // to put things away
constexpr int kill_limit_ms = 5000;

Result<BackgroundJob> read_job(const std::string& folder) {
  ANYVISOR_TRY(const std::string text, read_file(folder + "/job.json"));
  ANYVISOR_TRY(const auto document, json::parse_object(text, folder + "/job.json"));
  BackgroundJob job;
  job.operation = json::string_or(document, "operation");
  job.process = {static_cast<int>(json::int_or(document, "pid", 0)), json::uint_or(document, "start_time", 0),
                 json::string_or(document, "boot_id")};
  job.started = json::string_or(document, "started");
  return job;
}

bool ends_after(const Fd& pidfd, int signal, int limit_ms) {
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
  pollfd ended{pidfd.get(), POLLIN, 0};
  return ::poll(&ended, 1, limit_ms) == 1;
}

}  // namespace

std::optional<BackgroundJob> running_job(const std::string& folder) {
  // Looked for first: most instances have none, and this is asked of each by `list`.
  if (::access((folder + "/job.json").c_str(), F_OK) != 0 || FileLock::is_free(folder + "/job.lock")) return {};
  auto job = read_job(folder);
  if (!job) return {};
  return std::move(*job);
}

Result<void> start_job(const std::string& program, const std::string& home, const std::string& operation,
                       const std::string& instance) {
  const std::string log = home + "/instances/" + instance + "/logs/anyvisor.log";
  const Fd log_fd(::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  Command command;
  command.argv = {program, home, operation, instance};
  command.stderr_fd = log_fd.get();
  ANYVISOR_TRY(const Child child, spawn(command, "job.start"));
  // It goes on in a child of its own once that is registered: nobody here has to wait for it.
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) != 0)
    if (errno != EINTR) return fail_errno("cannot wait for \"" + program + "\"", errno);
  if (info.si_code == CLD_EXITED && info.si_status == 0) return {};
  return fail(ErrorKind::backend_failed, "the background job \"" + operation + "\" did not begin",
              "its log may tell more: " + log);
}

void end_job(const std::string& folder) {
  const auto job = running_job(folder);
  if (!job) return;
  if (job->process.pid <= 1) return;
  if (const auto pidfd = open_process(job->process))
    if (!ends_after(*pidfd, SIGTERM, end_limit_ms)) ends_after(*pidfd, SIGKILL, kill_limit_ms);
}

void forget_ended_job(const std::string& folder) {
  if (::access((folder + "/job.json").c_str(), F_OK) == 0 && FileLock::is_free(folder + "/job.lock"))
    (void)remove_file_durably(folder, "job.json", "job.forget");
}

Result<FileLock> register_job(const std::string& folder, const std::string& operation) {
  ANYVISOR_TRY(FileLock lock, FileLock::acquire(folder + "/job.lock", FileLock::Mode::exclusive, ending_patience,
                                                "the background job of this instance"));
  ANYVISOR_TRY(const auto self, ProcessIdentity::of(::getpid()));
  auto document = json::make_object();
  json::set(document, document, "schema", schema);
  json::set(document, document, "operation", operation);
  json::set(document, document, "pid", self.pid);
  json::set(document, document, "start_time", self.start_time);
  json::set(document, document, "boot_id", self.boot_id);
  json::set(document, document, "started", now_utc());
  ANYVISOR_CHECK(write_file_atomically(folder, "job.json", json::render_pretty(document), "job.record"));
  return lock;
}

}  // namespace anyvisor
