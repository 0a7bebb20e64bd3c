// SPDX-License-Identifier: MIT
// Does an ssh server answer? A connection alone says nothing: user-mode networking takes it on the guest's behalf. The
// server speaks first, and its greeting is what counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "anyvisor/result.hpp"
#include "storage/fd.hpp"
#include "wire/guest_vsock.hpp"

namespace anyvisor {

// Asked again and again. Connections that nobody has answered yet are kept for a while, since a slow guest may greet
// late, and new ones are opened beside them, since one from before the guest's network was up may hang for long. The
// longer nobody answers, the less often it is asked and the longer each connection is kept: a guest that needs seconds
// for a greeting would spend all its time on those that are dropped before it.
class BannerProbe {
 public:
  BannerProbe(std::string address, std::uint16_t port);
  explicit BannerProbe(VsockRoute route);

  // Works for at most `slice`. True: an ssh server has greeted. Errors: cancelled (cancel_fd became readable).
  Result<bool> ask(std::chrono::milliseconds slice, int cancel_fd);

 private:
  using Clock = std::chrono::steady_clock;
  struct Attempt {
    Fd socket;
    Clock::time_point begun;
    std::string heard;
  };
  // The time since it was first asked, divided by `share`, within the bounds.
  std::chrono::milliseconds share_of_time(int share, std::chrono::milliseconds least,
                                          std::chrono::milliseconds most) const;
  std::chrono::milliseconds after_refusal() const;
  bool begin();                      // false: not even a connection
  bool listen_to(Attempt& attempt);  // false: it is over; attempt.heard says what came

  const std::function<Fd()> connect_;  // non-blocking, perhaps still connecting; none: refused at once
  // The guest itself has taken the connection, as far as one can tell by what was heard on it.
  const std::function<bool(int socket, const std::string& heard)> has_arrived_;
  std::vector<Attempt> attempts_;
  const Clock::time_point first_ = Clock::now();
  Clock::time_point next_{};
};

}  // namespace anyvisor
