// SPDX-License-Identifier: MIT
// One request to Cloud Hypervisor's API and its reply: HTTP/1.1 over a connection of its own to the VMM's Unix socket.
// The VMM serves one request at a time; a connection that is left in the middle of a reply is closed, so that no late
// answer is ever taken for another request's.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <string>
#include <string_view>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {

// The VMM has closed the connection before its answer was complete: it has ended, or has broken down.
class ConnectionLost : public sdk::Failure {
 public:
  explicit ConnectionLost(const std::string& why) : Failure(ANYVISOR_UNAVAILABLE, why) {}
};

// The VMM has answered, with an error.
class Refused : public sdk::Failure {
 public:
  Refused(anyvisor_status status, const std::string& message, unsigned http_status)
      : Failure(status, message), http_status_(http_status) {}
  unsigned http_status() const { return http_status_; }

 private:
  unsigned http_status_;
};

inline constexpr std::size_t longest_reply_head = 64 * 1024;
inline constexpr std::size_t longest_reply_body = 16 * 1024 * 1024;

class ApiCall {
 public:
  // `socket`: connected, perhaps before the VMM runs. `action`: "vm.boot". `body`: JSON, or empty: none.
  // A body makes it a PUT, and so does `method`.
  enum class Method { get, put };
  ApiCall(Descriptor socket, Method method, std::string action, std::string_view body = {});

  // Sends the request, and waits until the VMM's socket has taken it. Failure TIMEOUT, CANCELLED; ConnectionLost.
  void send(const sdk::Context& context);
  // Sends what is not sent yet and waits for the whole reply: its body, an empty string where it has none. Refused when
  // the VMM says no; Failure BACKEND_FAILED when what comes is no HTTP; as send().
  std::string finish(const sdk::Context& context);
  // finish(), whose body has to be a JSON object.
  json::Document finish_object(const sdk::Context& context);

 private:
  bool receive(std::string& input);  // what is there now; false: the VMM has closed
  void wait(const sdk::Context& context, short events);

  Descriptor socket_;
  std::string action_, output_;
};

// What the body of an error says, for people: Cloud Hypervisor sends a list of causes, older versions a text.
std::string error_text(const std::string& body);

}  // namespace anyvisor::cloud_hypervisor
