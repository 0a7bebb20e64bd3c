// SPDX-License-Identifier: MIT
// The QEMU guest agent's protocol: JSON lines over the socket of its virtio channel, one client at a time, answered in
// the order in which they were asked. Somebody else's late answers may still stand in the channel: a mark tells where
// ours begin.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "instance_folder.hpp"
#include "qmp_connection.hpp"

namespace anyvisor::qemu {

// A context with a time limit of its own that nobody can cancel: for what has to be done whatever becomes of the call.
class LastingContext {
 public:
  explicit LastingContext(std::chrono::milliseconds limit);
  const sdk::Context& get() const { return context_; }

 private:
  anyvisor_context raw_{};
  sdk::Context context_;
};

// One thread at a time. Throws ConnectionLost and, from the context, CANCELLED.
class AgentConversation {
 public:
  // An agent that is there answers in a blink, in emulation in half a second.
  static constexpr std::chrono::milliseconds usual_limit{2000};

  // `socket`: connected to the channel. The mark is queued.
  explicit AgentConversation(Descriptor socket);

  // Sends what is queued and waits for the answer to the mark. Failure NOT_READY when none comes within `limit`.
  void greet(const sdk::Context& context, std::chrono::milliseconds limit = usual_limit);
  // Queues one command and sends it; `arguments`: a JSON object's text, or empty.
  void ask(const sdk::Context& context, const std::string& command, const std::string& arguments = {});
  // The next answer, {"return":...} or {"error":{...}}; nothing when none comes within `limit`.
  std::optional<json::Document> answer(const sdk::Context& context, std::chrono::milliseconds limit);

 private:
  std::optional<std::string> line(const sdk::Context& context, std::chrono::steady_clock::time_point until);

  QmpConnection connection_;
  int mark_;
};

}  // namespace anyvisor::qemu
