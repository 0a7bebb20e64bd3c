// SPDX-License-Identifier: MIT
#include "firmware.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <anyvisor/plugin.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "instance_folder.hpp"

namespace anyvisor::qemu {
namespace {

// Where distributions keep OVMF, pairs, newest layout first: Debian and Ubuntu, Fedora, Arch.
constexpr std::array<std::pair<const char*, const char*>, 4> known_places{{
    {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
    {"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
    {"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
    {"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
}};

// Size in bytes; -1 when it is not there.
off_t size_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
}

std::vector<Firmware> candidates(const Settings& settings) {
  std::vector<Firmware> found;
  auto add = [&](const std::string& code, const std::string& variables) {
    if (size_of(code) > 0 && size_of(variables) > 0) found.push_back({code, variables});
  };
  if (!settings.firmware_code.empty() && !settings.firmware_variables.empty()) {
    add(settings.firmware_code, settings.firmware_variables);
  } else {
    for (auto [code, variables] : known_places) add(code, variables);
  }
  return found;
}

sdk::Failure failed(const std::string& what, int error) {
  return {error == ENOSPC ? ANYVISOR_EXHAUSTED : ANYVISOR_UNAVAILABLE, what + ": " + std::strerror(error)};
}

void copy_durably(const std::string& from, const std::string& to) {
  const std::string folder = to.substr(0, to.rfind('/') + 1);
  const std::string unfinished = to + ".new";
  Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) throw failed("cannot read " + from, errno);
  Descriptor target(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!target) throw failed("cannot write " + unfinished, errno);
  for (off_t left = size_of(from); left > 0;) {
    ssize_t copied = ::sendfile(target.get(), source.get(), nullptr, static_cast<size_t>(left));
    if (copied <= 0) throw failed("cannot copy " + from + " to " + unfinished, copied < 0 ? errno : EIO);
    left -= copied;
  }
  Descriptor parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::fsync(target.get()) < 0 || ::rename(unfinished.c_str(), to.c_str()) < 0 || !parent || ::fsync(parent.get()) < 0)
    throw failed("cannot write " + to, errno);
}

}  // namespace

std::optional<Firmware> find_firmware(const Settings& settings) {
  auto found = candidates(settings);
  if (found.empty()) return std::nullopt;
  return found.front();
}

Firmware prepare_firmware(const Settings& settings, const std::string& variables) {
  auto found = candidates(settings);
  if (found.empty())
    throw sdk::Failure(ANYVISOR_UNAVAILABLE, "no UEFI firmware (OVMF) is installed on this host")
        .field("/boot/firmware")
        .hint(
            "apt install ovmf, or use firmware bios; files elsewhere: the plugin's settings firmware_code, "
            "firmware_variables");
  if (size_of(variables) < 0) copy_durably(found.front().variables, variables);
  const off_t size = size_of(variables);
  for (const auto& firmware : found)
    if (size_of(firmware.variables) == size) return {firmware.code, variables};
  throw sdk::Failure(ANYVISOR_CORRUPTED, "the firmware variables " + variables + " have " + std::to_string(size) +
                                             " bytes, which no firmware on this host uses")
      .field("/boot/variables")
      .hint("install the firmware that it was made with, or move the file away: boot entries are then lost");
}

}  // namespace anyvisor::qemu
