// SPDX-License-Identifier: MIT
// One conversation with a running QEMU: its QMP client, the state that follows from what it says, and a descriptor that
// is readable as long as there is something to look at.
#pragma once

#include <string>

#include "qmp_client.hpp"
#include "run_state.hpp"

namespace anyvisor::qemu {

// One thread at a time. Failures as QmpClient's.
class VmmSession {
 public:
  // `socket`: connected, perhaps before QEMU runs. The negotiation is queued.
  explicit VmmSession(Descriptor socket);

  QmpClient& client() { return client_; }
  // query-status, told as a machine state; with the disk's fault where the guest stopped for one.
  Observed query(const sdk::Context& context);
  Observed query_reply(const sdk::Context& context, QmpClient::CommandId query_status);
  // Takes in what events have come, without waiting. True when the state is another than before.
  bool follow_events();
  // The newest state known, events included that a command's reply brought with it.
  const Observed& known();

  // For epoll and poll: readable when QEMU sent something, or when events came together with a reply and wait here.
  int event_fd() const { return readiness_.get(); }
  // To be called after each use: tells event_fd() of events that wait here.
  void rearm();

 private:
  void apply_kept_events();

  QmpClient client_;
  RunState state_;
  Descriptor readiness_;  // epoll over the socket and waiting_
  Descriptor waiting_;    // eventfd: kept events that on_event() has not told
  bool changed_ = false;
  bool armed_ = false;
};

}  // namespace anyvisor::qemu
