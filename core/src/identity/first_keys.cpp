// SPDX-License-Identifier: MIT
#include "identity/first_keys.hpp"

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <system_error>

#include "identity/ssh_key.hpp"

namespace anyvisor {

FirstKeys::FirstKeys() {
  static std::atomic<bool> begun{false};
  if (begun.exchange(true)) return;
  // The application's handlers are not for this thread.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([] {
      for (const KeyType type : usual_key_types) (void)make_ssh_key(type);
    });
  } catch (const std::system_error&) {
    // As many threads as there may be.
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

FirstKeys::~FirstKeys() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace anyvisor
