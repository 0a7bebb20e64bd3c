// SPDX-License-Identifier: MIT
// JSON lines over a Unix stream socket.
#pragma once

#include <chrono>
#include <string>

#include "document/json.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

// One peer. Not thread-safe, but one thread may send while another receives.
class LineChannel {
 public:
  static constexpr std::size_t line_limit = 4u << 20;  // bytes; as long as the largest document

  explicit LineChannel(Fd fd);
  int fd() const { return fd_.get(); }

  // One object as one line. Errors: unavailable (the peer has gone), timeout (it does not read: the connection is shut
  // down when a part of the line is out), exhausted (a line over the limit: nothing is sent).
  Result<void> send(const json::Value& object, std::chrono::steady_clock::time_point deadline);
  // The next line, parsed. Errors: unavailable (end of stream), timeout, cancelled (cancel_fd readable), corrupted (too
  // long, no JSON object).
  Result<json::Document> receive(std::chrono::steady_clock::time_point deadline, int cancel_fd = -1);

  // For event loops (never blocks, whatever the descriptor's mode): reads what is there, up to about a line's limit;
  // false at end of stream. Then take lines with next_line() until it has none: what is not taken keeps fill() from
  // reading on.
  Result<bool> fill();
  // A whole line without its newline is moved out; false: none yet. Errors: corrupted (line over the limit).
  Result<bool> next_line(std::string& line);

 private:
  Fd fd_;
  std::string buffer_;
  std::size_t start_ = 0;    // of the first line that is not taken yet
  std::size_t scanned_ = 0;  // up to here there is no newline after start_
};

// Sockets in a folder by bare name, through /proc/self/fd/N/name, so that the folder's path may be of any length.
// Bind and listen, mode 0600, replacing a stale socket file (the caller has made sure that it is stale). The listener
// does not block.
Result<Fd> listen_in_folder(int folder_fd, const std::string& name);
// A blocking socket. Errors: unavailable (nobody listens), not_found (no such socket), timeout (its queue stays full
// for a second).
Result<Fd> connect_in_folder(int folder_fd, const std::string& name);
// The effective uid of the peer.
Result<unsigned> peer_uid(int fd);

}  // namespace anyvisor
