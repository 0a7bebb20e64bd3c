// SPDX-License-Identifier: MIT
#include "guest_agent.hpp"

#include <poll.h>

#include <algorithm>
#include <anyvisor/json.hpp>
#include <chrono>
#include <optional>
#include <random>
#include <string>

#include "qmp_connection.hpp"

namespace anyvisor::qemu {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds answer_limit = 2s;   // an agent that is there answers in a blink, in emulation in half a second
constexpr milliseconds refusal_limit = 1s;  // it answers a shutdown only to refuse it
constexpr char marker = '\xff';             // makes the agent drop what it has of a line before

// The next line, or nothing when none comes until `end`.
std::optional<std::string> line_until(Clock::time_point end, QmpConnection& agent, const sdk::Context& context) {
  for (;;) {
    if (auto line = agent.try_line()) return line;
    const auto left = std::min(std::chrono::duration_cast<milliseconds>(end - Clock::now()), context.remaining());
    if (left <= 0ms) return std::nullopt;
    pollfd polled[] = {{agent.fd(), POLLIN, 0}, {context.cancel_fd(), POLLIN, 0}};
    ::poll(polled, 2, static_cast<int>(left.count()) + 1);
    if (polled[1].revents != 0) throw sdk::Failure(ANYVISOR_CANCELLED, "cancelled while waiting for the guest agent");
  }
}

json::Document parse(const std::string& line) {
  json::Document document;
  // What an earlier client left unread stands before the marker.
  const auto begin = line.rfind(marker);
  document.Parse(begin == std::string::npos ? line : line.substr(begin + 1));
  if (document.HasParseError() || !document.IsObject()) document = json::make_object();
  return document;
}

}  // namespace

void shut_down_by_agent(const sdk::Context& context, Descriptor socket) {
  QmpConnection agent(std::move(socket));
  const int id = static_cast<int>(std::random_device()() & 0x7fffffff);
  agent.queue(std::string(1, marker) + R"({"execute":"guest-sync-delimited","arguments":{"id":)" + std::to_string(id) +
              "}}");
  agent.flush(context);
  const auto end = Clock::now() + answer_limit;
  for (;;) {
    const auto line = line_until(end, agent, context);
    if (!line)
      throw sdk::Failure(ANYVISOR_NOT_READY, "the guest agent does not answer")
          .hint("see whether qemu-guest-agent runs in the guest, or use acpi");
    if (json::int_or(parse(*line), "return", -1) == id) break;
  }
  agent.queue(R"({"execute":"guest-shutdown","arguments":{"mode":"powerdown"}})");
  agent.flush(context);
  try {
    if (const auto line = line_until(Clock::now() + refusal_limit, agent, context))
      if (const json::Document answer = parse(*line); json::object_or_null(answer, "error"))
        throw sdk::Failure(
            ANYVISOR_BACKEND_FAILED,
            "the guest agent refuses to shut down: " + json::string_or(*json::object_or_null(answer, "error"), "desc"));
  } catch (const ConnectionLost&) {
    // Gone already, as it was asked.
  }
}

}  // namespace anyvisor::qemu
