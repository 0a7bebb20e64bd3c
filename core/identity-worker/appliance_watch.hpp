// SPDX-License-Identifier: MIT
// Watches over the appliance from a thread of its own, as libguestfs's calls block. The appliance is ended, and so
// whichever call is waiting for it, when a write to the disk fails on the host (QEMU only pauses then, or the guest's
// kernel loses the write without a word) and when we are asked to end.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "guest.hpp"

namespace anyvisor::identity {

class ApplianceWatch {
 public:
  // Makes `scratch`, where everything temporary goes from now on (empty: nothing is made), and blocks SIGTERM: before
  // any other thread starts and before libguestfs is used.
  explicit ApplianceWatch(std::string scratch);
  ~ApplianceWatch();  // removes `scratch`
  ApplianceWatch(const ApplianceWatch&) = delete;
  ApplianceWatch& operator=(const ApplianceWatch&) = delete;

  const std::string& scratch() const { return scratch_; }
  // The socket on which the appliance's QEMU is to listen with QMP; empty where there is no room for its path.
  std::string monitor() const;
  // Why the appliance was ended here; whatever libguestfs says of it is a consequence. [any-thread]
  std::optional<Failure> cause();

 private:
  void watch();
  void read_events(int monitor);
  void end_appliance(Failure cause);

  const std::string scratch_;
  int signals_ = -1, wake_ = -1;
  std::string unread_;
  std::mutex mutex_;
  std::optional<Failure> cause_;
  std::thread thread_;
};

}  // namespace anyvisor::identity
