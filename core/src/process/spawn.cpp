// SPDX-License-Identifier: MIT
#include "process/spawn.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "process/child_side.hpp"
#include "process/child_start.hpp"
#include "process/environment.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor {

namespace {

bool is_executable_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::euidaccess(path.c_str(), X_OK) == 0;
}

// The absolute path of what `argv0` names.
Result<std::string> resolve(const std::string& argv0) {
  if (argv0.find('/') == std::string::npos) return find_program(argv0);
  std::string path = argv0;
  if (path.front() != '/') {
    std::vector<char> here(4096);
    if (!::getcwd(here.data(), here.size())) return fail_errno("cannot tell the current folder", errno);
    path = std::string(here.data()) + "/" + path;
  }
  if (is_executable_file(path)) return path;
  if (::access(path.c_str(), F_OK) != 0)
    return fail(ErrorKind::not_found, "cannot start \"" + path + "\": there is no such program");
  return fail(ErrorKind::unavailable, "cannot start \"" + path + "\": it is not an executable file",
              "check its permissions");
}

// What the child writes to process.json: the pieces around its pid and start time.
struct RecordPieces {
  std::string text;
  std::string_view head, middle, tail;
};

Result<void> cut_record(const Command& command, const std::string& program, RecordPieces& pieces) {
  ProcessRecord record = *command.record;
  ANYVISOR_TRY(const auto self, ProcessIdentity::of(::getpid()));
  record.process = {2'000'000'011, 2'000'000'000'000'000'011,
                    self.boot_id};  // pid and start time: stand-ins, cut out below
  if (record.executable.empty()) record.executable = program;
  if (record.started.empty()) record.started = now_utc();
  record.exit.reset();
  pieces.text = render_process_record(record);
  const std::string pid = std::to_string(record.process.pid), start = std::to_string(record.process.start_time);
  // The first ones: render_process_record() puts them before anything that others wrote.
  const auto pid_at = pieces.text.find(pid);
  const auto start_at = pieces.text.find(start);
  if (pid_at == std::string::npos || start_at == std::string::npos || start_at < pid_at)
    return fail(ErrorKind::internal, "the process record cannot be prepared");
  const std::string_view text = pieces.text;
  pieces.head = text.substr(0, pid_at);
  pieces.middle = text.substr(pid_at + pid.size(), start_at - pid_at - pid.size());
  pieces.tail = text.substr(start_at + start.size());
  return {};
}

Result<std::vector<MovedFd>> list_descriptors(const Command& command, Fd& null_device) {
  std::vector<MovedFd> fds;
  const int standard[] = {command.stdin_fd, command.stdout_fd, command.stderr_fd};
  for (int target = 0; target < 3; ++target) {
    int source = standard[target];
    if (source < 0) {
      if (!null_device) null_device = Fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
      if (!null_device) return fail_errno("cannot open /dev/null", errno);
      source = null_device.get();
    }
    fds.push_back({source, target});
  }
  for (const auto& [ours, theirs] : command.fds) {
    const bool taken = std::any_of(fds.begin(), fds.end(), [t = theirs](const MovedFd& fd) { return fd.target == t; });
    if (ours < 0 || theirs < 3 || taken)
      return fail(ErrorKind::invalid_argument, "descriptor " + std::to_string(ours) + " cannot become descriptor " +
                                                   std::to_string(theirs) + " of \"" + command.argv.front() + "\"");
    fds.push_back({ours, theirs});
  }
  return fds;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (auto& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

tl::unexpected<Error> explain(const ChildFailure& failure, const Command& command, const std::string& program) {
  const std::string subject = "cannot start \"" + program + "\"";
  switch (failure.action) {
    case ChildAction::descriptors:
      return fail_errno(subject + ": cannot hand over its descriptors", failure.error);
    case ChildAction::session:
      return fail_errno(subject + ": cannot make a session for it", failure.error);
    case ChildAction::folder:
      return fail_errno(subject + ": cannot enter its working folder \"" + command.folder + "\"", failure.error);
    case ChildAction::record:
      return fail_errno(subject + ": cannot write its record in \"" + command.record_folder + "\"", failure.error);
    case ChildAction::execute:
      break;
  }
  auto error = fail_errno(subject, failure.error);
  if (failure.error == ENOEXEC) error.value().kind = ErrorKind::unavailable;
  if (failure.error == E2BIG) error.value().kind = ErrorKind::exhausted;
  if (failure.error == ENOENT) error.value().message += " (it, or the interpreter that it needs)";
  return error;
}

// Waits until the child has become the program. True: it has (or was killed on the way, which is its pidfd's to tell).
bool await_exec(int report, ChildFailure& failure) {
  while (true) {
    const ssize_t got = ::read(report, &failure, sizeof failure);
    if (got < 0 && errno == EINTR) continue;
    return got != static_cast<ssize_t>(sizeof failure);
  }
}

void end_and_reap(int pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<Child> start_child(const Command& command) {
  if (command.argv.empty()) return fail(ErrorKind::invalid_argument, "cannot start a program without a name");
  ANYVISOR_TRY(const auto program, resolve(command.argv.front()));
  const bool has_record = !command.record_folder.empty() && command.record.has_value();

  // Everything that the child needs is made here: between fork and exec it may not allocate.
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> environment = clean_environment(command.env);
  const auto argv = pointers_to(arguments);
  const auto envp = pointers_to(environment);
  Fd null_device, record_folder;
  ANYVISOR_TRY(auto fds, list_descriptors(command, null_device));
  RecordPieces pieces;
  if (has_record) {
    ANYVISOR_CHECK(cut_record(command, program, pieces));
    ANYVISOR_TRY(record_folder, open_folder(command.record_folder));
  }
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return fail_errno("cannot start \"" + program + "\"", errno);
  Fd report_read(report[0]), report_write(report[1]);

  ChildPlan plan;
  plan.program = program.c_str();
  plan.argv = argv.data();
  plan.environment = envp.data();
  if (!command.folder.empty()) plan.folder = command.folder.c_str();
  plan.new_session = command.new_session;
  if (command.ends_with_parent) plan.parent = ::getpid();
  plan.fds = fds.data();
  plan.fd_count = fds.size();
  for (const auto& fd : fds) plan.first_free = std::max(plan.first_free, fd.target + 1);
  plan.report = report_write.get();
  plan.record_folder = record_folder.get();
  plan.record_head = pieces.head;
  plan.record_middle = pieces.middle;
  plan.record_tail = pieces.tail;

  // No handler of ours may run in the child before it has reset them.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become_program(plan);
  const int fork_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    auto error = fail_errno("cannot start \"" + program + "\"", fork_error);
    if (fork_error == EAGAIN) error.value().kind = ErrorKind::exhausted;
    return error;
  }
  // Nobody else reaps our children, so the pid is the child's even when it has ended already.
  Child child{pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)))};
  const int pidfd_error = errno;
  report_write.reset();
  ChildFailure failure{};
  if (!await_exec(report_read.get(), failure)) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return explain(failure, command, program);
  }
  if (!child.pidfd) {
    end_and_reap(pid);
    if (has_record) ::unlinkat(record_folder.get(), "process.json", 0);
    return fail_errno("cannot watch \"" + program + "\"", pidfd_error);
  }
  return child;
}

Result<Child> spawn(const Command& command, const char* step) {
  DurableStep durable(step);
  return start_child(command);
}

Result<std::string> find_program(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string_view folders = path && *path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!folders.empty()) {
    const auto colon = folders.find(':');
    const std::string_view folder = folders.substr(0, colon);
    folders = colon == std::string_view::npos ? std::string_view() : folders.substr(colon + 1);
    // Relative and empty entries would mean the current folder: nothing of ours is started from there.
    if (folder.empty() || folder.front() != '/') continue;
    std::string candidate = std::string(folder) + "/" + program;
    if (is_executable_file(candidate)) return candidate;
  }
  return fail(ErrorKind::not_found, "program \"" + program + "\" was not found on PATH",
              "install what provides \"" + program + "\", or add its folder to PATH");
}

}  // namespace anyvisor
