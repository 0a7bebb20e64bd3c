// SPDX-License-Identifier: MIT
#include "port_hold.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace user_network {

namespace {

Descriptor open_socket(int type) {
  return Descriptor(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
}

// 0 or the errno value; `port` becomes the port that was bound.
int bind_port(int fd, std::uint32_t address, std::uint16_t& port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = address;
  name.sin_port = htons(port);
  socklen_t size = sizeof name;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), size) != 0) return errno;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return errno;
  port = ntohs(name.sin_port);
  return 0;
}

int allow_reuse(int fd) {
  const int on = 1;
  return ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 ? 0 : errno;
}

// Takes a name that exists once in this network namespace and goes with its holder. Empty descriptor: taken.
Descriptor take_name(const std::string& text) {
  Descriptor name(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, text.data(), std::min(text.size(), sizeof address.sun_path - 1));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  if (name.get() < 0 || ::bind(name.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return Descriptor();
  return name;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

PortHold::PortHold(Protocol protocol, std::uint32_t address, std::uint16_t port) : port_(port) {
  error_ = protocol == Protocol::tcp ? hold_tcp(address) : hold_udp(address);
}

int PortHold::hold_tcp(std::uint32_t address) {
  socket_ = open_socket(SOCK_STREAM);
  if (socket_.get() < 0) return errno;
  const int error = bind_port(socket_.get(), address, port_);
  if (error != 0 && error != EADDRINUSE) return error;
  name_ = take_name("anyvisor/tcp/" + std::to_string(port_));
  if (error == 0) return allow_reuse(socket_.get());
  // Connections of an earlier VMM that wind down (TIME_WAIT) refuse a bind without SO_REUSEADDR for a minute. With it
  // only a listener refuses, or a holder like us, and that one has the name.
  if (name_.get() < 0 || port_ == 0) return EADDRINUSE;
  socket_ = open_socket(SOCK_STREAM);
  if (socket_.get() < 0) return errno;
  if (const int failed = allow_reuse(socket_.get())) return failed;
  return bind_port(socket_.get(), address, port_);
}

int PortHold::hold_udp(std::uint32_t address) {
  const Descriptor trial = open_socket(SOCK_DGRAM);
  if (trial.get() < 0) return errno;
  if (const int error = bind_port(trial.get(), address, port_)) return error;
  name_ = take_name("anyvisor/udp/" + std::to_string(address) + "/" + std::to_string(port_));
  return name_.get() < 0 ? EADDRINUSE : 0;
}

}  // namespace user_network
