// SPDX-License-Identifier: MIT
#include "test_host.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace anyvisor::qemu::test {
namespace {

using Clock = std::chrono::steady_clock;

// In the child: the listed descriptors at their numbers, everything else closed.
[[noreturn]] void become(const anyvisor_process& process, int output) {
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::vector<int> high;
  for (std::size_t i = 0; i < process.fd_count; ++i) high.push_back(::fcntl(process.fds[i].fd, F_DUPFD_CLOEXEC, 100));
  ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::close_range(3, 99, 0);
  ::close_range(100, ~0u, CLOSE_RANGE_CLOEXEC);
  for (std::size_t i = 0; i < process.fd_count; ++i) ::dup2(high[i], process.fds[i].as);
  ::setsid();
  ::execvp(process.argv[0], const_cast<char* const*>(process.argv));
  ::_exit(127);
}

}  // namespace

TestHost::TestHost(std::string folder) : folder_(std::move(folder)) {
  host_.struct_size = sizeof host_;
  host_.abi_minor = ANYVISOR_ABI_MINOR;
  host_.host_data = this;
  host_.log = [](const anyvisor_host*, std::int32_t, const char* line) { std::fprintf(stderr, "%s\n", line); };
  host_.temp_folder = [](const anyvisor_host* host) { return self(host)->folder_.c_str(); };
  host_.spawn = [](const anyvisor_host* host, const anyvisor_context*, const anyvisor_process* process,
                   anyvisor_child* child) -> anyvisor_status {
    TestHost& me = *self(host);
    me.last_argv.clear();
    for (auto argument = process->argv; *argument; ++argument) me.last_argv.emplace_back(*argument);
    int log = ::open((me.folder_ + "/logs/vmm.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    me.vmm_ = ::fork();
    if (me.vmm_ == 0) become(*process, log);
    ::close(log);
    child->pid = me.vmm_;
    child->pidfd = -1;
    return ANYVISOR_OK;
  };
  host_.run = [](const anyvisor_host* host, const anyvisor_context*, const anyvisor_process* process,
                 const char** reply) -> anyvisor_status {
    TestHost& me = *self(host);
    ++me.helper_runs;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return ANYVISOR_INTERNAL;
    pid_t child = ::fork();
    if (child == 0) become(*process, ends[1]);
    ::close(ends[1]);
    std::string output;
    char buffer[4096];
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
      output.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    json::Document document = json::make_object();
    json::set(document, document, "status", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    json::set(document, document, "output", output);
    json::set(document, document, "errors", "");
    me.run_reply_ = json::render(document);
    *reply = me.run_reply_.c_str();
    return ANYVISOR_OK;
  };
  host_.probe_accelerator = [](const anyvisor_host* host, const anyvisor_context*, const char* request,
                               const char** reply) -> anyvisor_status {
    self(host)->last_probe = request;
    *reply = self(host)->probe_reply.c_str();
    return ANYVISOR_OK;
  };
}

TestHost::~TestHost() {
  kill_vmm();
}

bool TestHost::vmm_ends_within(std::chrono::milliseconds limit) {
  for (auto end = Clock::now() + limit; vmm_ > 0; std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
    if (::waitpid(vmm_, nullptr, WNOHANG) == vmm_) vmm_ = -1;
    if (vmm_ > 0 && Clock::now() > end) return false;
  }
  return true;
}

void TestHost::kill_vmm() {
  if (vmm_ <= 0) return;
  ::kill(vmm_, SIGKILL);
  ::waitpid(vmm_, nullptr, 0);
  vmm_ = -1;
}

}  // namespace anyvisor::qemu::test
