// SPDX-License-Identifier: MIT
#include "vmm_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace anyvisor::cloud_hypervisor {
namespace {

constexpr std::uint64_t tail_limit = 2048;

struct KnownSaying {
  const char* text;
  anyvisor_status status;
  const char* hint;
  bool retry;
};

constexpr std::array<KnownSaying, 4> known{{
    {"/dev/kvm", ANYVISOR_UNAVAILABLE, "Cloud Hypervisor needs KVM: see anyvisor doctor", false},
    {"Cannot allocate memory", ANYVISOR_EXHAUSTED, "give the machine less memory, or end other machines", true},
    {"No space left on device", ANYVISOR_EXHAUSTED, "free disk space", true},
    {"seccomp", ANYVISOR_BACKEND_FAILED,
     "if this kernel's seccomp is the reason: set the plugin's setting sandbox to false", false},
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
    return sdk::Failure(ANYVISOR_BACKEND_FAILED, "Cloud Hypervisor ended while it started and said nothing")
        .hint("look at logs/vmm.log of the instance");
  for (const auto& saying : known) {
    if (said.find(saying.text) == std::string::npos) continue;
    auto failure = sdk::Failure(saying.status, "Cloud Hypervisor did not start: " + said).hint(saying.hint);
    return saying.retry ? std::move(failure).retry() : failure;
  }
  return sdk::Failure(ANYVISOR_BACKEND_FAILED, "Cloud Hypervisor did not start: " + said)
      .hint("look at logs/vmm.log of the instance");
}

}  // namespace anyvisor::cloud_hypervisor
