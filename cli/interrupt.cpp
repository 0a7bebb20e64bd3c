// SPDX-License-Identifier: MIT
#include "interrupt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace anyvisor::cli {

namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t signal_seen = 0;
int ends[2] = {-1, -1};
std::array<struct sigaction, signals.size()> before;

void on_signal(int number) {
  const int saved = errno;
  signal_seen = number;
  const char byte = 1;
  [[maybe_unused]] const auto written = ::write(ends[1], &byte, 1);
  errno = saved;
}

}  // namespace

Interruptible::Interruptible() {
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    ends[0] = ends[1] = -1;
    return;
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals[i], nullptr, &before[i]);
    // nohup and background jobs of a shell ignore some signals on purpose.
    if (before[i].sa_handler != SIG_IGN) ::sigaction(signals[i], &action, nullptr);
  }
}

Interruptible::~Interruptible() {
  if (ends[0] < 0) return;
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before[i], nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
  ends[0] = ends[1] = -1;
}

int Interruptible::cancel_fd() const {
  return ends[0];
}

int interrupted_by() {
  return signal_seen;
}

}  // namespace anyvisor::cli
