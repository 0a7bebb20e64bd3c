// SPDX-License-Identifier: MIT
#include "guest_clock.hpp"

#include <chrono>

#include "agent_conversation.hpp"

namespace anyvisor::qemu {
namespace {

// It sets the system's clock at once, and then the hardware's, which waits for the turn of a second.
constexpr std::chrono::milliseconds set_limit{4000};

}  // namespace

std::string set_clock_by_agent(const sdk::Context& context, Descriptor socket) {
  try {
    AgentConversation agent(std::move(socket));
    agent.greet(context);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    agent.ask(context, "guest-set-time",
              R"({"time":)" + std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()) + "}");
    const auto answer = agent.answer(context, set_limit);
    if (!answer) return "the guest agent does not say whether it has set the clock";
    if (const auto* error = json::object_or_null(*answer, "error"))
      return "the guest agent: " + json::string_or(*error, "desc", "it does not say why");
    return {};
  } catch (const sdk::Failure& failure) {
    if (failure.status() == ANYVISOR_CANCELLED) throw;
    return failure.what();
  }
}

}  // namespace anyvisor::qemu
