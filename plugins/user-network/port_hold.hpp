// SPDX-License-Identifier: MIT
// Ports of this machine, held for a VMM that will listen on them itself.
//
// TCP: the port is bound without SO_REUSEADDR, so that it fails on any other holder, and the option is set afterwards.
// Linux then lets the VMM, which binds with SO_REUSEADDR, bind and listen beside us (we never listen), and still
// refuses everybody who binds without. Two sockets of two anyvisors can thus never hold one port: no time passes
// between choosing and holding. UDP: a second socket beside the VMM's would take its packets, so the port is only
// tried, and what is held is a name: an abstract Unix socket, which other anyvisors in this network namespace find
// taken.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace user_network {

enum class Protocol { tcp, udp };

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

// Holds one port until it is destroyed. [one thread]
class PortHold {
 public:
  // `address`: IPv4, network byte order. `port` 0: the kernel chooses a free one. On failure held() is false and
  // error() the errno value: EADDRINUSE, EACCES (privileged), EADDRNOTAVAIL (no address of this machine), ...
  PortHold(Protocol protocol, std::uint32_t address, std::uint16_t port);
  bool held() const { return error_ == 0; }
  int error() const { return error_; }
  std::uint16_t port() const { return port_; }

 private:
  int hold_tcp(std::uint32_t address);
  int hold_udp(std::uint32_t address);
  Descriptor socket_, name_;
  std::uint16_t port_;
  int error_ = 0;
};

}  // namespace user_network
