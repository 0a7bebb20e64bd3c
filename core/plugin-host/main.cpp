// SPDX-License-Identifier: MIT
// plugin-host: the process in which plugins live. ARCHITECTURE.md has its protocol.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "host/protocol.hpp"
#include "log.hpp"
#include "server.hpp"
#include "storage/durable_step.hpp"
#include "storage/lock.hpp"

namespace anyvisor::host {
namespace {

constexpr int exit_usage = 64;        // EX_USAGE
constexpr int exit_unavailable = 69;  // EX_UNAVAILABLE

struct Arguments {
  ServerOptions options;
  int connection = -1;
  bool version = false;
};

bool parse(int count, char** values, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    std::string name = values[i];
    if (name == "--version") {
      arguments.version = true;
      continue;
    }
    if (++i == count) return false;
    if (name == "--instance")
      arguments.options.folder = values[i];
    else if (name == "--home")
      arguments.options.home = values[i];
    else if (name == "--plugin")
      arguments.options.plugins.emplace_back(values[i]);
    else if (name == "--connection")
      arguments.connection = std::atoi(values[i]);
    else
      return false;
  }
  return arguments.version || (arguments.connection >= 3) != !arguments.options.folder.empty();
}

std::string parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

int serve_instance(ServerOptions options) {
  auto lock = FileLock::acquire(options.folder + "/host.lock", FileLock::Mode::exclusive, std::chrono::milliseconds(0),
                                "this instance");
  if (!lock) return lock.error().kind == ErrorKind::busy ? exit_no_lock : exit_unavailable;
  if (access((options.folder + "/logs").c_str(), F_OK) != 0) {
    DurableStep step("host.log-folder");
    (void)mkdir((options.folder + "/logs").c_str(), 0700);
  }
  open_log(options.folder + "/logs/anyvisor.log");
  auto folder = open_folder(options.folder);
  if (!folder) return exit_unavailable;
  if (options.home.empty()) options.home = parent(parent(options.folder));
  Result<Fd> listener = [&] {
    DurableStep step("host.socket");
    return listen_in_folder(folder->get(), "host.sock");
  }();
  if (!listener) {
    write_log(ANYVISOR_LOG_ERROR, listener.error().message);
    return exit_unavailable;
  }
  return Server(std::move(options), std::move(*listener), Fd()).run();
}

int serve_peer(ServerOptions options, int connection) {
  open_log("");
  (void)fcntl(connection, F_SETFD, FD_CLOEXEC);
  return Server(std::move(options), Fd(), Fd(connection)).run();
}

}  // namespace
}  // namespace anyvisor::host

int main(int count, char** values) {
  using namespace anyvisor::host;
  anyvisor::set_program_name("plugin-host");
  std::signal(SIGPIPE, SIG_IGN);
  Arguments arguments;
  if (!parse(count, values, arguments)) {
    std::fputs(
        "usage: plugin-host (--instance FOLDER | --connection FD) [--home FOLDER] [--plugin FILE]... | --version\n",
        stderr);
    return exit_usage;
  }
  if (arguments.version) {
    std::puts("plugin-host " ANYVISOR_VERSION);
    return 0;
  }
  if (arguments.connection >= 3) return serve_peer(std::move(arguments.options), arguments.connection);
  return serve_instance(std::move(arguments.options));
}
