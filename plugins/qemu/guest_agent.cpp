// SPDX-License-Identifier: MIT
#include "guest_agent.hpp"

#include "agent_conversation.hpp"

namespace anyvisor::qemu {
namespace {

constexpr std::chrono::milliseconds refusal_limit{1000};  // it answers a shutdown only to refuse it

}  // namespace

bool agent_listens(const sdk::Context& context, QmpClient& client) {
  json::Document devices = client.execute(context, "query-chardev");
  if (devices.IsArray())
    for (const auto& device : devices.GetArray())
      if (json::string_or(device, "label") == "agent") return json::bool_or(device, "frontend-open", false);
  return false;
}

void shut_down_by_agent(const sdk::Context& context, Descriptor socket) {
  AgentConversation agent(std::move(socket));
  agent.greet(context);
  agent.ask(context, "guest-shutdown", R"({"mode":"powerdown"})");
  try {
    if (const auto answer = agent.answer(context, refusal_limit))
      if (const auto* error = json::object_or_null(*answer, "error"))
        throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                           "the guest agent refuses to shut down: " + json::string_or(*error, "desc"));
  } catch (const ConnectionLost&) {
    // Gone already, as it was asked.
  }
}

}  // namespace anyvisor::qemu
