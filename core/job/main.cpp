// SPDX-License-Identifier: MIT
// A background job: `job HOME prepare INSTANCE`. It drives an operation as any command does, with the lowest priority,
// and ends once it is asked to (SIGTERM), or its instance is started or removed: what it does is of no use then.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "anyvisor/manager.hpp"
#include "process/background_job.hpp"
#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"

namespace {

using namespace anyvisor;

constexpr int look_every_ms = 500;
constexpr int usage_error = 2;
// Of linux/ioprio.h, which newer Debian kernels ship in a form that is no C++ (linux-libc-dev 6.1.0-56).
constexpr int io_of_this_process = 1;       // IOPRIO_WHO_PROCESS
constexpr int io_only_when_idle = 3 << 13;  // IOPRIO_CLASS_IDLE in its place, level 0

void complain(const std::string& operation, const Error& error) {
  std::fprintf(stderr, "[%s] [background] %s: %s\n", now_utc().c_str(), operation.c_str(), error.message.c_str());
}

// After all the others, for CPU and disk; what it starts inherits that. Not being able to is no reason not to work.
void step_back() {
  ::setpriority(PRIO_PROCESS, 0, 19);
  ::syscall(SYS_ioprio_set, io_of_this_process, 0, io_only_when_idle);
}

// Makes `cancel` readable when the work is to end, and returns when it has: `ended` is readable then.
void watch(Manager& manager, const std::string& instance, int signals, int ended, int cancel) {
  for (;;) {
    pollfd watched[] = {{signals, POLLIN, 0}, {ended, POLLIN, 0}};
    const int ready = ::poll(watched, 2, look_every_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (watched[1].revents != 0) return;
    bool gives_way = watched[0].revents != 0;
    if (ready == 0) {
      const auto now = manager.info(instance);
      gives_way = !now || now->state != State::stopped;
    }
    if (gives_way) {
      ::eventfd_write(cancel, 1);
      return;
    }
  }
}

int work(const std::string& home, const std::string& instance) {
  ManagerOptions options;
  options.home = home;
  auto manager = Manager::open(options);
  if (!manager) {
    complain("prepare", manager.error());
    return 1;
  }
  const auto before = manager->info(instance);
  if (!before || before->state != State::stopped) return 0;
  sigset_t asked;
  sigemptyset(&asked);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&asked, number);
  ::pthread_sigmask(SIG_BLOCK, &asked, nullptr);
  const Fd signals(::signalfd(-1, &asked, SFD_CLOEXEC)), ended(::eventfd(0, EFD_CLOEXEC)),
      cancel(::eventfd(0, EFD_CLOEXEC));
  std::thread watcher([&] { watch(*manager, instance, signals.get(), ended.get(), cancel.get()); });
  Operation operation;
  operation.cancel_fd = cancel.get();
  const auto done = manager->prepare(instance, operation);
  ::eventfd_write(ended.get(), 1);
  watcher.join();
  if (done || done.error().kind == ErrorKind::cancelled) return 0;
  complain("prepare", done.error());
  return 1;
}

// In a child of its own, so that who started us need not wait for the end; `report`: gets a byte once we are
// registered.
int run(const std::string& home, const std::string& operation, const std::string& instance, int report) {
  step_back();
  const std::string folder = home + "/instances/" + instance;
  auto lock = register_job(folder, operation);
  if (!lock) {
    complain(operation, lock.error());
    return lock.error().kind == ErrorKind::busy && ::write(report, "", 1) == 1 ? 0 : 1;
  }
  if (::write(report, "", 1) != 1) return 1;
  ::close(report);
  const int code = work(home, instance);
  (void)remove_file_durably(folder, "job.json", "job.forget");
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  set_program_name("job");
  if (argc != 4 || std::string(argv[2]) != "prepare") {
    std::fputs("usage: job HOME prepare INSTANCE (anyvisor starts it)\n", stderr);
    return usage_error;
  }
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return 1;
  const pid_t child = ::fork();
  if (child < 0) return 1;
  if (child == 0) {
    ::close(pipe_ends[0]);
    return run(argv[1], argv[2], argv[3], pipe_ends[1]);
  }
  ::close(pipe_ends[1]);
  char byte = 0;
  ssize_t got = 0;
  while ((got = ::read(pipe_ends[0], &byte, 1)) < 0 && errno == EINTR) {
  }
  return got == 1 ? 0 : 1;
}
