// SPDX-License-Identifier: MIT
#include "kvm_access.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "descriptor.hpp"

namespace anyvisor::cloud_hypervisor {

std::string why_no_kvm() {
  const Descriptor kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm && errno == EACCES) return "/dev/kvm may not be opened: join the group kvm";
  if (!kvm) return std::string("/dev/kvm cannot be opened: ") + std::strerror(errno);
  if (::ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return "/dev/kvm does not answer like KVM";
  return {};
}

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
