// SPDX-License-Identifier: MIT
#include "agent_conversation.hpp"

#include <poll.h>

#include <algorithm>
#include <random>

namespace anyvisor::qemu {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr char marker = '\xff';  // makes the agent drop what it has of a line before

json::Document parse(const std::string& line) {
  json::Document document;
  // What an earlier client left unread stands before the marker.
  const auto begin = line.rfind(marker);
  document.Parse(begin == std::string::npos ? line : line.substr(begin + 1));
  if (document.HasParseError() || !document.IsObject()) document = json::make_object();
  return document;
}

}  // namespace

LastingContext::LastingContext(milliseconds limit) : context_(&raw_) {
  raw_.struct_size = sizeof raw_;
  raw_.cancel_fd = -1;
  const auto end = (Clock::now() + limit).time_since_epoch();
  raw_.deadline_ns = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end).count());
  raw_.is_cancelled = [](const anyvisor_context* context) -> std::int32_t {
    return sdk::Context(context).remaining() == 0ms ? 1 : 0;
  };
}

AgentConversation::AgentConversation(Descriptor socket)
    : connection_(std::move(socket)), mark_(static_cast<int>(std::random_device()() & 0x7fffffff)) {
  connection_.queue(std::string(1, marker) + R"({"execute":"guest-sync-delimited","arguments":{"id":)" +
                    std::to_string(mark_) + "}}");
}

void AgentConversation::greet(const sdk::Context& context, milliseconds limit) {
  connection_.flush(context);
  const auto until = Clock::now() + limit;
  for (;;) {
    const auto got = line(context, until);
    if (!got)
      throw sdk::Failure(ANYVISOR_NOT_READY, "the guest agent does not answer")
          .hint("see whether qemu-guest-agent runs in the guest");
    if (json::int_or(parse(*got), "return", -1) == mark_) return;
  }
}

void AgentConversation::ask(const sdk::Context& context, const std::string& command, const std::string& arguments) {
  connection_.queue(R"({"execute":")" + command + '"' + (arguments.empty() ? "" : R"(,"arguments":)" + arguments) +
                    '}');
  connection_.flush(context);
}

std::optional<json::Document> AgentConversation::answer(const sdk::Context& context, milliseconds limit) {
  const auto got = line(context, Clock::now() + limit);
  if (!got) return std::nullopt;
  return parse(*got);
}

// The next line, or nothing when none comes until then.
std::optional<std::string> AgentConversation::line(const sdk::Context& context, Clock::time_point until) {
  for (;;) {
    if (auto whole = connection_.try_line()) return whole;
    const auto left = std::min(std::chrono::duration_cast<milliseconds>(until - Clock::now()), context.remaining());
    if (left <= 0ms) return std::nullopt;
    pollfd polled[] = {{connection_.fd(), POLLIN, 0}, {context.cancel_fd(), POLLIN, 0}};
    ::poll(polled, 2, static_cast<int>(left.count()) + 1);
    if (polled[1].revents != 0) throw sdk::Failure(ANYVISOR_CANCELLED, "cancelled while waiting for the guest agent");
  }
}

}  // namespace anyvisor::qemu
