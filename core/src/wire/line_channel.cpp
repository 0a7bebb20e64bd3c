// SPDX-License-Identifier: MIT
#include "wire/line_channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace anyvisor {

namespace {

using Deadline = std::chrono::steady_clock::time_point;

int poll_timeout(Deadline deadline) {
  using namespace std::chrono;
  const auto left = duration_cast<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, INT_MAX));
}

tl::unexpected<Error> peer_gone() {
  return fail(ErrorKind::unavailable, "the other side has closed the connection");
}

tl::unexpected<Error> line_too_long() {
  return fail(ErrorKind::corrupted,
              "the other side sent a line over " + std::to_string(LineChannel::line_limit) + " bytes");
}

}  // namespace

LineChannel::LineChannel(Fd fd) : fd_(std::move(fd)) {}

Result<void> LineChannel::send(const json::Value& object, Deadline deadline) {
  std::string line = json::render(object);
  if (line.size() > line_limit)
    return fail(ErrorKind::exhausted, "cannot send a message of " + std::to_string(line.size()) + " bytes: at most " +
                                          std::to_string(line_limit) + " are allowed");
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return peer_gone();
    if (errno != EAGAIN) return fail_errno("cannot send", errno);
    if (std::chrono::steady_clock::now() >= deadline) {
      // The next line would be taken for the rest of this one.
      if (rest.size() != line.size()) ::shutdown(fd_.get(), SHUT_RDWR);
      return fail(ErrorKind::timeout, "the other side does not read what is sent to it");
    }
    pollfd writable{fd_.get(), POLLOUT, 0};
    if (::poll(&writable, 1, poll_timeout(deadline)) < 0 && errno != EINTR) return fail_errno("cannot send", errno);
  }
  return {};
}

Result<json::Document> LineChannel::receive(Deadline deadline, int cancel_fd) {
  std::string line;
  while (true) {
    ANYVISOR_TRY(const bool whole, next_line(line));
    if (whole) {
      auto document = json::parse_object(line, "a message");
      if (document) return document;
      Error error = std::move(document).error();
      error.kind = ErrorKind::corrupted;
      return tl::unexpected<Error>(std::move(error));
    }
    std::array<pollfd, 2> watched{{{fd_.get(), POLLIN, 0}, {cancel_fd, POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), poll_timeout(deadline));
    if (ready < 0 && errno != EINTR) return fail_errno("cannot receive", errno);
    if (ready > 0 && watched[0].revents != 0) {
      ANYVISOR_TRY(const bool open, fill());
      if (!open) return peer_gone();
    } else if (ready > 0 && watched[1].revents != 0) {
      return fail(ErrorKind::cancelled, "cancelled while waiting for an answer");
    } else if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorKind::timeout, "no answer came in time");
    }
  }
}

Result<bool> LineChannel::fill() {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    scanned_ -= start_;
    start_ = 0;
  }
  std::array<char, 65536> chunk;
  bool got_some = false;
  // One byte beyond the limit is enough to know that a line is too long.
  while (buffer_.size() <= line_limit) {
    const std::size_t room = std::min(chunk.size(), line_limit + 1 - buffer_.size());
    const ssize_t got = ::recv(fd_.get(), chunk.data(), room, MSG_DONTWAIT);
    if (got == 0) return got_some;  // the end of the stream is told by the next call, after these lines were taken
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      if (errno == ECONNRESET) return got_some;
      return fail_errno("cannot receive", errno);
    }
    got_some = true;
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return true;
}

Result<bool> LineChannel::next_line(std::string& line) {
  const auto newline = buffer_.find('\n', scanned_);
  const std::size_t length = (newline == std::string::npos ? buffer_.size() : newline) - start_;
  if (length > line_limit) return line_too_long();
  if (newline == std::string::npos) {
    scanned_ = buffer_.size();
    return false;
  }
  line.assign(buffer_, start_, length);
  start_ = scanned_ = newline + 1;
  return true;
}

}  // namespace anyvisor
