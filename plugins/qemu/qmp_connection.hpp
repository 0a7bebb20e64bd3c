// SPDX-License-Identifier: MIT
// Lines over a QMP socket: bytes in and out under a call's deadline and cancellation. Knows nothing of QMP's words.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "instance_folder.hpp"

namespace anyvisor::qemu {

// The peer has closed, or the connection broke: nothing more will come over it.
class ConnectionLost : public sdk::Failure {
 public:
  explicit ConnectionLost(const std::string& why) : Failure(ANYVISOR_UNAVAILABLE, why) {}
};

// One connected stream socket. Not for use by two threads at once. After any failure but TIMEOUT and CANCELLED the
// connection is over.
class QmpConnection {
 public:
  static constexpr std::size_t default_line_limit = 16 * 1024 * 1024;

  // Makes the socket non-blocking.
  explicit QmpConnection(Descriptor socket, std::size_t line_limit = default_line_limit);

  int fd() const { return socket_.get(); }
  // Puts the line (without its newline) into the output buffer; flush() or wait_line() send it.
  void queue(std::string_view line);
  // Sends what is queued, then this line with a copy of the descriptor.
  void send_with_descriptor(const sdk::Context& context, std::string_view line, int descriptor);
  // Sends what is queued. Waits until the peer has taken it or the call's time is over.
  void flush(const sdk::Context& context);
  // The next line without its end, or nothing when none is complete yet. Reads what is there; never waits.
  std::optional<std::string> try_line();
  // Waits for a whole line; throws TIMEOUT or CANCELLED Failure when the call's time is over.
  std::string wait_line(const sdk::Context& context);

 private:
  std::optional<std::string> take_line();
  bool fill();  // false: nothing to read now
  void wait(const sdk::Context& context, short events);

  Descriptor socket_;
  std::size_t line_limit_;
  std::string input_, output_;
  std::size_t begin_ = 0;    // of the unread part of input_
  std::size_t scanned_ = 0;  // no newline before this place
};

}  // namespace anyvisor::qemu
