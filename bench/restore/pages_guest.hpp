// SPDX-License-Identifier: MIT
// The guest whose life is in its RAM (tests/guests/pages.c), talked to over its serial port.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace anyvisor::bench {

// Lines to and from a Unix socket. Functions throw std::runtime_error, also after two minutes without what is awaited.
class LineSocket {
 public:
  explicit LineSocket(const std::string& path);
  ~LineSocket();
  LineSocket(const LineSocket&) = delete;
  LineSocket& operator=(const LineSocket&) = delete;

  void send(const std::string& line);
  // The next line that begins so; those before it are dropped.
  std::string wait_for(const std::string& beginning);

 private:
  int socket_ = -1;
  std::string received_;
};

// A machine: how much memory, and how much of that the guest has written to.
struct Size {
  unsigned mebibytes;
  unsigned touched_percent;
  std::string name() const { return std::to_string(mebibytes) + "M-" + std::to_string(touched_percent) + "%"; }
  std::uint64_t touched_bytes() const { return std::uint64_t{mebibytes} * (1U << 20) / 100 * touched_percent; }
};

// Has the guest fill that much of its memory.
void touch(LineSocket& console, const Size& size);
// Throws when a page is not what the guest had filled it with.
void check_touched(LineSocket& console);

// Waits for the guest's first whole line since the log had `size` bytes. Returns when it was seen.
std::chrono::steady_clock::time_point wait_for_growth(const std::string& log, std::uint64_t size);
// Bytes; 0: not there.
std::uint64_t size_of(const std::string& file);

}  // namespace anyvisor::bench
