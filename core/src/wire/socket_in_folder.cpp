// SPDX-License-Identifier: MIT
// Unix sockets by folder descriptor and bare name; declared in line_channel.hpp.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "storage/durable_step.hpp"
#include "wire/line_channel.hpp"

namespace anyvisor {

namespace {

// sun_path holds 107 bytes; through the descriptor the folder's own path does not count.
Result<sockaddr_un> address_of(int folder_fd, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(folder_fd) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.find('/') != std::string::npos || path.size() >= sizeof address.sun_path)
    return fail(ErrorKind::invalid_argument, "\"" + name + "\" cannot be the name of a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Result<void> remove_stale(int folder_fd, const std::string& name) {
  struct stat status {};
  if (::fstatat(folder_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot look at socket \"" + name + "\"", errno);
  }
  if (!S_ISSOCK(status.st_mode))
    return fail(ErrorKind::already_exists, "cannot listen on \"" + name + "\": a file that is no socket has that name");
  if (::unlinkat(folder_fd, name.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno("cannot remove the stale socket \"" + name + "\"", errno);
  return {};
}

}  // namespace

Result<Fd> listen_in_folder(int folder_fd, const std::string& name) {
  ANYVISOR_TRY(const auto address, address_of(folder_fd, name));
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail_errno("cannot make a socket", errno);
  // Before bind: Linux makes the file with the socket's own mode, so that at no moment anybody else may connect.
  if (::fchmod(listener.get(), 0600) != 0) return fail_errno("cannot protect socket \"" + name + "\"", errno);
  DurableStep durable("wire.listen");
  ANYVISOR_CHECK(remove_stale(folder_fd, name));
  if (::bind(listener.get(), generic(address), sizeof address) != 0 || ::listen(listener.get(), 64) != 0)
    return fail_errno("cannot listen on socket \"" + name + "\"", errno);
  return listener;
}

Result<Fd> connect_in_folder(int folder_fd, const std::string& name) {
  using namespace std::chrono;
  ANYVISOR_TRY(const auto address, address_of(folder_fd, name));
  // Non-blocking while it connects: a listener that never accepts must not hang us.
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("cannot make a socket", errno);
  const auto give_up = steady_clock::now() + seconds(1);
  while (::connect(socket.get(), generic(address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno == ENOENT) return fail(ErrorKind::not_found, "there is no socket \"" + name + "\"");
    if (errno == ECONNREFUSED) return fail(ErrorKind::unavailable, "nobody listens on socket \"" + name + "\"");
    if (errno != EAGAIN) return fail_errno("cannot connect to socket \"" + name + "\"", errno);
    if (steady_clock::now() >= give_up)
      return fail(ErrorKind::timeout, "the listener on socket \"" + name + "\" does not answer");
    std::this_thread::sleep_for(milliseconds(5));
  }
  if (::fcntl(socket.get(), F_SETFL, 0) != 0) return fail_errno("cannot connect to socket \"" + name + "\"", errno);
  return socket;
}

Result<unsigned> peer_uid(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return fail_errno("cannot tell who is at the other side", errno);
  return static_cast<unsigned>(peer.uid);
}

}  // namespace anyvisor
