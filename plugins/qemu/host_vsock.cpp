// SPDX-License-Identifier: MIT
#include "host_vsock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <anyvisor/plugin.hpp>
#include <cerrno>
#include <cstring>

namespace anyvisor::qemu {
namespace {

constexpr const char* device = "/dev/vhost-vsock";

std::string reason(int error) {
  if (error == ENOENT || error == ENODEV || error == ENXIO)
    return std::string("the kernel's vhost_vsock, and there is no ") + device + " (sudo modprobe vhost_vsock)";
  if (error == EACCES || error == EPERM)
    return std::string("access to ") + device + ", which this user may not open (its group is kvm, mostly)";
  return std::string(device) + ": " + std::strerror(error);
}

}  // namespace

std::string why_no_vsock() {
  return ::access(device, R_OK | W_OK) == 0 ? std::string() : reason(errno);
}

Descriptor open_vsock() {
  Descriptor opened(::open(device, O_RDWR | O_CLOEXEC));
  if (!opened)
    throw sdk::Failure(ANYVISOR_UNSUPPORTED, "a vsock device needs " + reason(errno))
        .field("/vsock")
        .hint("leave vsock out, or mend that");
  return opened;
}

}  // namespace anyvisor::qemu
