// SPDX-License-Identifier: MIT
#include "instance/spec_checks.hpp"

#include <sys/sysinfo.h>

#include <cerrno>
#include <string>

#include "settings/settings.hpp"
#include "storage/fd.hpp"

namespace anyvisor {
namespace {

constexpr std::uint64_t mebibyte = 1ULL << 20;
constexpr unsigned most_cpus = 1024;  // a slip of the finger is caught here; what the backend can is its own answer

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes / mebibyte) + " MiB";
}

}  // namespace

Result<void> check_cpus(unsigned cpus) {
  if (cpus >= 1 && cpus <= most_cpus) return {};
  return fail(ErrorKind::invalid_argument, std::to_string(cpus) + " is no number of CPUs",
              "give 1 to " + std::to_string(most_cpus), "/cpus");
}

Result<void> check_memory(const Home& home, std::uint64_t bytes) {
  if (bytes < mebibyte || bytes % mebibyte != 0)
    return fail(ErrorKind::invalid_argument, "memory of " + std::to_string(bytes) + " bytes",
                "give a multiple of 1 MiB", "/memory");
  if (const auto settings = Settings::read(home.path()); settings && settings->value("memory.backing") == "file")
    return {};
  struct sysinfo host {};
  if (::sysinfo(&host) != 0) return fail_errno("cannot tell how much memory this host has", errno);
  const std::uint64_t ram = std::uint64_t{host.totalram} * host.mem_unit;
  const std::uint64_t swap = std::uint64_t{host.totalswap} * host.mem_unit;
  if (bytes <= ram + swap) return {};
  return fail(ErrorKind::exhausted,
              "memory of " + mebibytes(bytes) + " does not fit on this host, which has " + mebibytes(ram) + " and " +
                  (swap == 0 ? "no swap" : mebibytes(swap) + " of swap"),
              "give less with --memory, or keep guest memory in files: anyvisor set --global memory.backing=file",
              "/memory");
}

}  // namespace anyvisor
