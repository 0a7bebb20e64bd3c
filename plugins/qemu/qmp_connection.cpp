// SPDX-License-Identifier: MIT
#include "qmp_connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace anyvisor::qemu {

QmpConnection::QmpConnection(Descriptor socket, std::size_t line_limit)
    : socket_(std::move(socket)), line_limit_(line_limit) {
  int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    throw sdk::Failure(ANYVISOR_INTERNAL, std::string("cannot use the QMP socket: ") + std::strerror(errno));
}

void QmpConnection::queue(std::string_view line) {
  output_.append(line);
  output_.push_back('\n');
}

void QmpConnection::flush(const sdk::Context& context) {
  while (!output_.empty()) {
    ssize_t sent = ::send(fd(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      output_.erase(0, static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait(context, POLLOUT);
    } else if (errno != EINTR) {
      throw ConnectionLost(std::string("QEMU's QMP connection broke: ") + std::strerror(errno));
    }
  }
}

void QmpConnection::send_with_descriptor(const sdk::Context& context, std::string_view line, int descriptor) {
  flush(context);
  std::string text(line);
  text.push_back('\n');
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptor)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  while (true) {
    const ssize_t sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      // The descriptor goes with the first byte.
      output_.append(text, static_cast<std::size_t>(sent));
      return flush(context);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait(context, POLLOUT);
    } else if (errno != EINTR) {
      throw ConnectionLost(std::string("QEMU's QMP connection broke: ") + std::strerror(errno));
    }
  }
}

std::optional<std::string> QmpConnection::take_line() {
  std::size_t end = input_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = input_.size();
    if (input_.size() - begin_ > line_limit_)
      throw ConnectionLost("QEMU sent a QMP line of more than " + std::to_string(line_limit_) + " bytes");
    return std::nullopt;
  }
  std::size_t length = end - begin_;
  if (length > line_limit_)
    throw ConnectionLost("QEMU sent a QMP line of more than " + std::to_string(line_limit_) + " bytes");
  if (length > 0 && input_[end - 1] == '\r') --length;
  std::string line = input_.substr(begin_, length);
  begin_ = scanned_ = end + 1;
  if (begin_ == input_.size()) {
    input_.clear();
    begin_ = scanned_ = 0;
  }
  return line;
}

bool QmpConnection::fill() {
  std::array<char, 65536> buffer;
  while (true) {
    ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      if (begin_ > 0) {
        input_.erase(0, begin_);
        scanned_ -= begin_;
        begin_ = 0;
      }
      input_.append(buffer.data(), static_cast<std::size_t>(got));
      return true;
    }
    if (got == 0) throw ConnectionLost("QEMU closed its QMP connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw ConnectionLost(std::string("QEMU's QMP connection broke: ") + std::strerror(errno));
  }
}

std::optional<std::string> QmpConnection::try_line() {
  while (true) {
    if (auto line = take_line()) return line;
    if (!fill()) return std::nullopt;
  }
}

std::string QmpConnection::wait_line(const sdk::Context& context) {
  flush(context);
  while (true) {
    if (auto line = try_line()) return *line;
    wait(context, POLLIN);
  }
}

void QmpConnection::wait(const sdk::Context& context, short events) {
  context.check();
  std::array<pollfd, 2> polled{pollfd{fd(), events, 0}, pollfd{context.cancel_fd(), POLLIN, 0}};
  auto left = context.remaining().count();
  // One millisecond more than what remains in whole ones, so that the last fraction is not spent spinning.
  int limit = left >= INT_MAX ? INT_MAX : static_cast<int>(left) + 1;
  int ready = ::poll(polled.data(), polled.size(), limit);
  if (ready < 0 && errno != EINTR)
    throw sdk::Failure(ANYVISOR_INTERNAL, std::string("poll failed: ") + std::strerror(errno));
  if (polled[1].revents != 0) throw sdk::Failure(ANYVISOR_CANCELLED, "cancelled while waiting for QEMU");
  if (ready == 0 && context.remaining().count() == 0)
    throw sdk::Failure(ANYVISOR_TIMEOUT, "QEMU did not answer in time")
        .hint("the machine may be very busy: look at logs/vmm.log, or end it with stop --force")
        .retry();
}

}  // namespace anyvisor::qemu
