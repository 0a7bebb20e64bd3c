// SPDX-License-Identifier: MIT
// QEMU's run states and events, told as anyvisor's machine states.
#pragma once

#include <anyvisor/json.hpp>
#include <string>

#include "qmp_client.hpp"

namespace anyvisor::qemu {

struct Observed {
  std::string state;   // a state name of the contract
  std::string reason;  // why, or empty
  bool operator==(const Observed&) const = default;
};

// The status that query-status answers.
Observed from_status(const std::string& status);

// Follows a machine through its events. One thread at a time.
class RunState {
 public:
  // Takes one event in; true when the state or its reason is another than before.
  bool apply(const QmpEvent& event);
  // Takes QEMU's own word. A more telling reason that an event gave for the same state is kept.
  void set(Observed observed);
  const Observed& now() const { return now_; }

 private:
  Observed now_{"unknown", "QEMU has not been asked yet"};
  std::string stop_reason_;  // what the STOP that is about to come is for
};

// {"state":...,"reason":...}; the reason only when there is one.
std::string render(const Observed& observed);

}  // namespace anyvisor::qemu
