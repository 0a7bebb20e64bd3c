// SPDX-License-Identifier: MIT
#include "local-vmm/instance_folder.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <anyvisor/plugin.hpp>
#include <cerrno>
#include <cstring>

namespace anyvisor::sdk {
namespace {

constexpr int waiting_clients = 16;

Failure failed(anyvisor_status status, const std::string& what, int error) {
  return {status, what + ": " + std::strerror(error)};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Descriptor stream_socket(int mode) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | mode, 0));
  if (!socket) throw failed(ANYVISOR_EXHAUSTED, "cannot make a socket", errno);
  return socket;
}

}  // namespace

InstanceFolder::InstanceFolder(std::string path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!fd_) throw failed(ANYVISOR_NOT_FOUND, "cannot open the instance's folder " + path_, errno).field("/folder");
}

std::string InstanceFolder::short_path(const std::string& name) const {
  return "/proc/self/fd/" + std::to_string(fd()) + "/" + name;
}

Descriptor InstanceFolder::listen(const std::string& name) const {
  Descriptor socket = stream_socket(0);
  // Before the bind, so that the file never has a wider mode; Linux takes it over from the descriptor.
  ::fchmod(socket.get(), 0600);
  sockaddr_un address = address_of(short_path(name));
  auto bind = [&] { return ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address); };
  int result = bind();
  if (result < 0 && errno == EADDRINUSE) {
    ::unlinkat(fd(), name.c_str(), 0);
    result = bind();
  }
  if (result < 0 || ::listen(socket.get(), waiting_clients) < 0)
    throw failed(ANYVISOR_UNAVAILABLE, "cannot listen on " + path_ + "/" + name, errno);
  return socket;
}

Descriptor InstanceFolder::connect(const std::string& name) const {
  Descriptor socket = stream_socket(0);
  sockaddr_un address = address_of(short_path(name));
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    throw failed(ANYVISOR_UNAVAILABLE, "cannot connect to " + path_ + "/" + name, errno);
  return socket;
}

Descriptor InstanceFolder::connect_at_once(const std::string& name) const {
  Descriptor socket = stream_socket(SOCK_NONBLOCK);
  sockaddr_un address = address_of(short_path(name));
  const int connected = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  // Calls that were given up stand in the queue until the VMM looks at them.
  if (connected < 0 && errno == EAGAIN)
    throw Failure(ANYVISOR_TIMEOUT, "the VMM takes no more requests: it has not looked at " + name + " for long")
        .hint("look at logs/vmm.log of the instance, or end it with stop --force")
        .retry();
  if (connected < 0) throw failed(ANYVISOR_UNAVAILABLE, "cannot connect to " + path_ + "/" + name, errno);
  return socket;
}

void InstanceFolder::make_logs_folder() const {
  if (::mkdirat(fd(), "logs", 0700) < 0 && errno != EEXIST)
    throw failed(ANYVISOR_UNAVAILABLE, "cannot make " + path_ + "/logs", errno);
}

Descriptor InstanceFolder::open_console_log() const {
  make_logs_folder();
  Descriptor log(::openat(fd(), "logs/console.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) throw failed(ANYVISOR_UNAVAILABLE, "cannot open " + path_ + "/logs/console.log", errno);
  return log;
}

bool InstanceFolder::has(const char* name) const noexcept {
  return ::faccessat(fd(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void InstanceFolder::make_marker(const char* name) const {
  const Descriptor marker(::openat(fd(), name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!marker) throw failed(ANYVISOR_UNAVAILABLE, "cannot make " + path_ + "/" + name, errno);
}

void InstanceFolder::remove(const char* name) const noexcept {
  ::unlinkat(fd(), name, 0);
}

}  // namespace anyvisor::sdk
