// SPDX-License-Identifier: MIT
#include "fake_host.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <fstream>
#include <sstream>

namespace test {

namespace {
std::string text_of(const std::string& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}
}  // namespace

FakeHost::FakeHost() {
  host_.struct_size = sizeof host_;
  host_.host_data = this;
  host_.log = [](const anyvisor_host*, std::int32_t, const char*) {};
  host_.run = [](const anyvisor_host* host, const anyvisor_context*, const anyvisor_process* process,
                 const char** reply) {
    auto* self = static_cast<FakeHost*>(host->host_data);
    self->reply_ = self->run(*process);
    *reply = self->reply_.c_str();
    return anyvisor_status{ANYVISOR_OK};
  };
  context_.struct_size = sizeof context_;
  context_.cancel_fd = -1;
  context_.host_data = this;
  context_.is_cancelled = [](const anyvisor_context* context) -> std::int32_t {
    return static_cast<FakeHost*>(context->host_data)->cancelled;
  };
  context_.progress = [](const anyvisor_context* context, const char* phase, std::uint64_t done, std::uint64_t total) {
    static_cast<FakeHost*>(context->host_data)->reports.push_back({phase, done, total});
  };
  context_.fail = [](const anyvisor_context* context, const anyvisor_error* error) {
    auto* self = static_cast<FakeHost*>(context->host_data);
    self->status = error->status;
    self->message = error->message ? error->message : "";
    self->field = error->field ? error->field : "";
    self->hint = error->hint ? error->hint : "";
    return error->status;
  };
}

std::string FakeHost::run(const anyvisor_process& process) {
  std::vector<std::string> arguments;
  for (auto argv = process.argv; *argv; ++argv) arguments.emplace_back(*argv);
  helpers.push_back(arguments);
  char folder[] = "/tmp/fake-host-XXXXXX";
  if (!::mkdtemp(folder)) return {};
  const std::string out = std::string(folder) + "/out", err = std::string(folder) + "/err";
  const std::string path_variable = "PATH=" + path;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
    for (std::size_t i = 0; i < process.fd_count; ++i) {
      if (process.fds[i].fd == process.fds[i].as)
        ::fcntl(process.fds[i].fd, F_SETFD, 0);
      else
        ::dup2(process.fds[i].fd, process.fds[i].as);
    }
    std::vector<char*> environment{const_cast<char*>(path_variable.c_str())};
    for (auto variable = process.env; variable && *variable; ++variable)
      environment.push_back(const_cast<char*>(*variable));
    environment.push_back(nullptr);
    ::setenv("PATH", path.c_str(), 1);
    ::execvpe(process.argv[0], const_cast<char* const*>(process.argv), environment.data());
    ::_exit(127);
  }
  int wait_status = 0;
  ::waitpid(child, &wait_status, 0);
  auto reply = anyvisor::json::make_object();
  anyvisor::json::set(reply, reply, "status",
                      WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status));
  anyvisor::json::set(reply, reply, "output", text_of(out));
  anyvisor::json::set(reply, reply, "errors", text_of(err));
  ::unlink(out.c_str());
  ::unlink(err.c_str());
  ::rmdir(folder);
  return anyvisor::json::render(reply);
}

}  // namespace test
