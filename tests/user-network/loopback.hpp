// SPDX-License-Identifier: MIT
// Sockets on 127.0.0.1 as other programs use them.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace test {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(port);
  return name;
}

class Socket {
 public:
  explicit Socket(int type, bool reuse = false) : fd_(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    if (reuse) ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  explicit Socket(std::pair<int, int> accepted) : fd_(accepted.first) {}
  Socket(const Socket&) = delete;
  ~Socket() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd() const { return fd_; }
  bool bind(std::uint16_t port) const {
    const sockaddr_in name = loopback(port);
    return ::bind(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  }
  bool listen() const { return ::listen(fd_, 8) == 0; }
  bool connect(std::uint16_t port) const {
    const sockaddr_in name = loopback(port);
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  }
  std::uint16_t port() const {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size);
    return ntohs(name.sin_port);
  }

 private:
  int fd_;
};

}  // namespace test
