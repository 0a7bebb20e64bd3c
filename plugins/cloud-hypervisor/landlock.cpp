// SPDX-License-Identifier: MIT
#include "landlock.hpp"

#include <sys/syscall.h>
#include <unistd.h>

namespace anyvisor::cloud_hypervisor {

int landlock_version() {
#ifdef SYS_landlock_create_ruleset
  constexpr unsigned ask_version = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_version);
  return version > 0 ? static_cast<int>(version) : 0;
#else
  return 0;
#endif
}

}  // namespace anyvisor::cloud_hypervisor
