// SPDX-License-Identifier: MIT
#include "local-vmm/vmm_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace anyvisor::sdk {
namespace {

constexpr std::uint64_t tail_limit = 2048;
constexpr const char* look = "look at logs/vmm.log of the instance";

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

Failure explain_failed_start(const std::string& vmm, const std::string& said, std::span<const KnownSaying> known) {
  if (said.empty())
    return Failure(ANYVISOR_BACKEND_FAILED, vmm + " ended while it started and said nothing").hint(look);
  const auto saying =
      std::ranges::find_if(known, [&](const KnownSaying& each) { return said.find(each.text) != std::string::npos; });
  const std::string message = vmm + " did not start: " + said;
  if (saying == known.end()) return Failure(ANYVISOR_BACKEND_FAILED, message).hint(look);
  auto failure = Failure(saying->status, message).hint(saying->hint);
  return saying->retry ? std::move(failure).retry() : failure;
}

}  // namespace anyvisor::sdk
