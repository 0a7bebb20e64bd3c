// SPDX-License-Identifier: MIT
#include "kept_memory.hpp"

#include <fcntl.h>

#include <anyvisor/plugin.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace anyvisor::qemu {
namespace {

struct Kept {
  std::mutex mutex;
  std::string label;
  Descriptor memory;
};

Kept& kept() {
  static Kept one;
  return one;
}

Descriptor duplicate(const Descriptor& memory) {
  Descriptor copy(::fcntl(memory.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy)
    throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                       "cannot hold on to the guest's memory: " + std::string(std::strerror(errno)));
  return copy;
}

}  // namespace

void keep_memory(const std::string& label, const Descriptor& memory) {
  Descriptor copy = duplicate(memory);
  const std::lock_guard guard(kept().mutex);
  kept().label = label;
  kept().memory = std::move(copy);
}

Descriptor kept_memory(const std::string& label) {
  const std::lock_guard guard(kept().mutex);
  if (!kept().memory) throw sdk::Failure(ANYVISOR_NOT_FOUND, "the memory was kept by a plugin-host that has ended");
  if (kept().label != label)
    throw sdk::Failure(ANYVISOR_CORRUPTED, "the memory that is kept belongs to another moment of this machine");
  return duplicate(kept().memory);
}

void forget_kept_memory() {
  const std::lock_guard guard(kept().mutex);
  kept().label.clear();
  kept().memory.reset();
}

}  // namespace anyvisor::qemu
