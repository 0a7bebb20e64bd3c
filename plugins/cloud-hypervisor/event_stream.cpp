// SPDX-License-Identifier: MIT
#include "event_stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <array>
#include <cerrno>

namespace anyvisor::cloud_hypervisor {
namespace {

constexpr std::size_t longest_event = 64 * 1024;
constexpr std::string_view end_of_event = "\n\n";

}  // namespace

EventStream::EventStream(Descriptor pipe) : pipe_(std::move(pipe)) {
  const int flags = ::fcntl(pipe_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(pipe_.get(), F_SETFL, flags | O_NONBLOCK) < 0) pipe_.reset();
}

std::vector<VmmEvent> EventStream::drain() {
  std::array<char, 16384> buffer;
  bool ended = !pipe_;
  while (!ended) {
    const ssize_t got = ::read(pipe_.get(), buffer.data(), buffer.size());
    if (got > 0)
      input_.append(buffer.data(), static_cast<std::size_t>(got));
    else if (got < 0 && errno == EINTR)
      continue;
    else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      break;
    else
      ended = true;
  }
  std::vector<VmmEvent> events;
  std::size_t begin = 0;
  for (std::size_t end; (end = input_.find(end_of_event, begin)) != std::string::npos;
       begin = end + end_of_event.size()) {
    json::Document event;
    event.Parse(input_.data() + begin, end - begin);
    // One that was lost in part, as the pipe was full: the next one is whole again.
    if (event.HasParseError() || !event.IsObject()) continue;
    events.push_back({json::string_or(event, "source"), json::string_or(event, "event")});
  }
  input_.erase(0, begin);
  if (ended || input_.size() > longest_event) {
    pipe_.reset();
    input_.clear();
  }
  return events;
}

}  // namespace anyvisor::cloud_hypervisor
