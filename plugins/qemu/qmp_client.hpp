// SPDX-License-Identifier: MIT
// QMP, QEMU's machine protocol: greeting, capabilities, commands matched to replies by id in any order, events.
//
// Commands may be sent in a row and waited for afterwards, in any order: each round trip saved is latency saved. One
// thread at a time. Failures: QmpError (QEMU refused the command), ConnectionLost, and TIMEOUT, CANCELLED from the
// context; after the last two the client goes on working, and the late reply is dropped when it comes.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "qmp_connection.hpp"

namespace anyvisor::qemu {

// QEMU answered a command with an error.
class QmpError : public sdk::Failure {
 public:
  QmpError(const std::string& command, std::string error_class, std::string description)
      : Failure(ANYVISOR_BACKEND_FAILED, "QEMU refused " + command + ": " + description),
        error_class_(std::move(error_class)),
        description_(std::move(description)) {}
  const std::string& error_class() const { return error_class_; }
  const std::string& description() const { return description_; }

 private:
  std::string error_class_, description_;
};

struct QmpEvent {
  std::string name;
  json::Document data;  // an object, perhaps empty
};

class QmpClient {
 public:
  using CommandId = std::uint64_t;

  explicit QmpClient(QmpConnection connection);

  // Queues qmp_capabilities; it is sent with the first flush. The greeting is awaited by the first wait().
  void negotiate();
  // Queues one command; `arguments` is a JSON object's text or empty. flush() or wait() send it.
  CommandId send(const std::string& command, std::string_view arguments = {});
  void flush(const sdk::Context& context) { connection_.flush(context); }
  // Waits for one command's reply: the value of "return". Events that come meanwhile are kept.
  json::Document wait(const sdk::Context& context, CommandId id);
  json::Document execute(const sdk::Context& context, const std::string& command, std::string_view arguments = {}) {
    return wait(context, send(command, arguments));
  }
  // The same for a command that gets a copy of the descriptor (getfd).
  json::Document execute_with_descriptor(const sdk::Context& context, const std::string& command,
                                         std::string_view arguments, int descriptor);
  // Waits until QEMU closes the connection; events that come meanwhile are kept.
  void wait_closed(const sdk::Context& context);
  // Waits until an event of this name is among the kept ones.
  void wait_event(const sdk::Context& context, const std::string& name);

  // Drops the kept events of this name.
  void forget_events(const std::string& name);

  // Reads what has come, without waiting.
  void drain();
  bool has_events() const { return !events_.empty(); }
  // The oldest kept event; there must be one.
  QmpEvent take_event();

  // From the greeting: "7.2.22", and empty before it.
  const std::string& version() const { return version_; }
  int fd() const { return connection_.fd(); }

 private:
  // One more command's line; its id is the newest.
  std::string next_line(const std::string& command, std::string_view arguments);
  void handle(const std::string& line);
  void greet(const json::Value& greeting);
  [[noreturn]] void malformed(const std::string& line) const;

  QmpConnection connection_;
  std::string version_;
  bool greeted_ = false;
  CommandId next_id_ = 1;
  std::map<CommandId, std::string> pending_;  // commands without a reply yet
  std::set<CommandId> abandoned_;             // their callers have gone
  std::map<CommandId, json::Document> replies_;
  std::deque<QmpEvent> events_;
};

}  // namespace anyvisor::qemu
