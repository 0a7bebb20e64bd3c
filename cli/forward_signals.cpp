// SPDX-License-Identifier: MIT
#include "forward_signals.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace anyvisor::cli {

namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
int ends[2] = {-1, -1};
std::array<struct sigaction, signals.size()> before;

void on_signal(int number) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(number);
  [[maybe_unused]] const auto written = ::write(ends[1], &byte, 1);
  errno = saved;
}

}  // namespace

ForwardSignals::ForwardSignals() {
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    ends[0] = ends[1] = -1;
    return;
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals[i], nullptr, &before[i]);
    // nohup and background jobs of a shell ignore some signals on purpose.
    if (before[i].sa_handler != SIG_IGN) ::sigaction(signals[i], &action, nullptr);
  }
}

ForwardSignals::~ForwardSignals() {
  if (ends[0] < 0) return;
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before[i], nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
  ends[0] = ends[1] = -1;
}

int ForwardSignals::fd() const {
  return ends[0];
}

}  // namespace anyvisor::cli
