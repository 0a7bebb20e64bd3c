// SPDX-License-Identifier: MIT
#include "guest_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <anyvisor/plugin.hpp>
#include <cerrno>
#include <cstring>

namespace anyvisor::qemu {
namespace {

sdk::Failure failed(const std::string& what, int error) {
  return {ANYVISOR_EXHAUSTED, "cannot make the guest's memory: " + what + ": " + std::strerror(error)};
}

}  // namespace

Descriptor make_memfd(std::uint64_t size) {
  Descriptor memory(::memfd_create("anyvisor-guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) throw failed("memfd_create", errno);
  if (::ftruncate(memory.get(), static_cast<off_t>(size)) < 0) throw failed("ftruncate", errno);
  return memory;
}

Descriptor make_memory_file(const InstanceFolder& folder, std::uint64_t size) {
  std::string path = folder.short_path("");
  Descriptor memory(::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!memory) throw failed("a nameless file in " + folder.path(), errno);
  if (int error = ::posix_fallocate(memory.get(), 0, static_cast<off_t>(size)); error != 0)
    throw failed("space for it in " + folder.path(), error).hint("free disk space, or use memory backing memfd");
  return memory;
}

}  // namespace anyvisor::qemu
