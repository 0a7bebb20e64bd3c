// SPDX-License-Identifier: MIT
#include "wire/guest_vsock.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
// After sys/socket.h, whose types it needs.
#include <linux/vm_sockets.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "wire/line_channel.hpp"

namespace anyvisor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view accepted = "OK ";
constexpr std::size_t longest_answer = 64;

std::string name_of(const VsockRoute& route) {
  return "vsock port " + std::to_string(route.port) + " of the guest";
}

Result<void> set_blocking(int fd, bool blocking) {
  if (::fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK) == 0) return {};
  return fail_errno("cannot set the mode of a socket", errno);
}

Result<Fd> begin_through_vmm(const VsockRoute& route) {
  const auto slash = route.socket.rfind('/');
  const Fd folder(::open(route.socket.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail_errno("cannot open the folder of \"" + route.socket + "\"", errno);
  ANYVISOR_TRY(Fd socket, connect_in_folder(folder.get(), route.socket.substr(slash + 1)));
  const std::string line = "CONNECT " + std::to_string(route.port) + "\n";
  // A few bytes into an empty buffer: it takes all of them or has gone.
  if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return fail_errno("cannot ask for " + name_of(route), errno);
  ANYVISOR_CHECK(set_blocking(socket.get(), false));
  return socket;
}

Result<Fd> begin_through_kernel(const VsockRoute& route) {
  Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket && errno == EAFNOSUPPORT)
    return fail(ErrorKind::unsupported, "this host's kernel has no vsock",
                "load its module: sudo modprobe vhost_vsock");
  if (!socket) return fail_errno("cannot make a vsock socket", errno);
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = route.cid;
  address.svm_port = route.port;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    return fail(ErrorKind::unavailable, "nobody answers at " + name_of(route));
  return socket;
}

Result<void> wait_for(int fd, short event, Clock::time_point deadline, const VsockRoute& route) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left < 0) return fail(ErrorKind::timeout, name_of(route) + " does not answer");
    pollfd polled{fd, event, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::min<std::int64_t>(left + 1, INT_MAX)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for " + name_of(route), errno);
  }
}

// Byte by byte: what follows the line is whoever's who gets the socket.
Result<void> read_answer(int fd, Clock::time_point deadline, const VsockRoute& route) {
  std::string line;
  while (line.size() < longest_answer) {
    ANYVISOR_CHECK(wait_for(fd, POLLIN, deadline, route));
    char byte = 0;
    const ssize_t got = ::read(fd, &byte, 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return fail(ErrorKind::unavailable, "nobody answers at " + name_of(route));
    if (byte != '\n') {
      line += byte;
    } else if (line.starts_with(accepted)) {
      return {};
    } else {
      break;
    }
  }
  return fail(ErrorKind::unavailable, "the VMM answers \"" + line + "\" to the question for " + name_of(route));
}

}  // namespace

Result<Fd> begin_vsock(const VsockRoute& route) {
  return route.socket.empty() ? begin_through_kernel(route) : begin_through_vmm(route);
}

Result<Fd> connect_vsock(const VsockRoute& route, Clock::time_point deadline) {
  ANYVISOR_TRY(Fd socket, begin_vsock(route));
  if (route.socket.empty()) {
    ANYVISOR_CHECK(wait_for(socket.get(), POLLOUT, deadline, route));
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
      return fail(ErrorKind::unavailable, "nobody answers at " + name_of(route));
  } else {
    ANYVISOR_CHECK(read_answer(socket.get(), deadline, route));
  }
  ANYVISOR_CHECK(set_blocking(socket.get(), true));
  return socket;
}

}  // namespace anyvisor
