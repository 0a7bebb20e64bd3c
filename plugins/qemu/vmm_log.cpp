// SPDX-License-Identifier: MIT
#include "vmm_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace anyvisor::qemu {
namespace {

constexpr std::uint64_t tail_limit = 2048;

struct KnownSaying {
  const char* text;
  anyvisor_status status;
  const char* hint;
  bool retry;
};

constexpr std::array<KnownSaying, 9> known{{
    {"Could not set up host forwarding rule", ANYVISOR_BUSY, "the port is taken: publish another one", true},
    {"unsupported machine type", ANYVISOR_UNAVAILABLE,
     "this machine was made by a newer QEMU: install that one, or set the plugin's setting machine_type", false},
    {"Failed to get \"write\" lock", ANYVISOR_BUSY, "another process has the disk open: end it first", true},
    {"Failed to get shared \"write\" lock", ANYVISOR_BUSY, "another process has the disk open: end it first", true},
    {"Could not access KVM kernel module", ANYVISOR_UNAVAILABLE, "set the plugin's setting accelerator to auto or tcg",
     false},
    {"failed to set MSR", ANYVISOR_UNAVAILABLE, "KVM does not work here: set accelerator to auto or tcg", false},
    {"Cannot allocate memory", ANYVISOR_EXHAUSTED, "give the machine less memory, or end other machines", true},
    {"sandbox", ANYVISOR_UNAVAILABLE, "if this QEMU has no seccomp support: set the plugin's setting sandbox to false",
     false},
    {"No space left on device", ANYVISOR_EXHAUSTED, "free disk space", true},
}};

}  // namespace

std::uint64_t vmm_log_size(const InstanceFolder& folder) {
  struct stat status {};
  return ::fstatat(folder.fd(), "logs/vmm.log", &status, 0) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::string vmm_log_since(const InstanceFolder& folder, std::uint64_t from) {
  Descriptor log(::openat(folder.fd(), "logs/vmm.log", O_RDONLY | O_CLOEXEC));
  if (!log) return {};
  const std::uint64_t size = vmm_log_size(folder);
  if (size <= from) return {};
  const std::uint64_t begin = std::max(from, size > tail_limit ? size - tail_limit : 0);
  std::string text(size - begin, '\0');
  ssize_t got = ::pread(log.get(), text.data(), text.size(), static_cast<off_t>(begin));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

sdk::Failure explain_failed_start(const std::string& said) {
  if (said.empty())
    return sdk::Failure(ANYVISOR_BACKEND_FAILED, "QEMU ended while it started and said nothing")
        .hint("look at logs/vmm.log of the instance");
  for (const auto& saying : known) {
    if (said.find(saying.text) == std::string::npos) continue;
    auto failure = sdk::Failure(saying.status, "QEMU did not start: " + said).hint(saying.hint);
    return saying.retry ? std::move(failure).retry() : failure;
  }
  return sdk::Failure(ANYVISOR_BACKEND_FAILED, "QEMU did not start: " + said)
      .hint("look at logs/vmm.log of the instance");
}

}  // namespace anyvisor::qemu
