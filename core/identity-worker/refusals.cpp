// SPDX-License-Identifier: MIT
// Disks of which no clone may be made, although they can be read.
#include <algorithm>
#include <array>
#include <sstream>

#include "guest.hpp"
#include "guestfs_owned.hpp"

namespace anyvisor::identity {
namespace {

// What a hibernated system writes over "SWAPSPACE2", at the end of a swap area's first page.
constexpr std::int64_t mark_at = 4086;
constexpr int mark_length = 10;

bool is_asleep(const std::string& mark) {
  return std::ranges::any_of(std::array{"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"},
                             [&](const char* known) { return mark.starts_with(known); });
}

// Files that are swapped to: of fstab, of systemd's units, and the names that installers give them.
std::vector<std::string> swap_files(Guest& guest) {
  std::vector<std::string> files{"/swapfile", "/swap.img", "/swap/swapfile"};
  const auto text_of = [&](const std::string& name) {
    const Entry entry = guest.look(name);
    return entry.kind == Entry::Kind::file ? guest.read(entry.path).value_or("") : "";
  };
  std::istringstream fstab(text_of("/etc/fstab"));
  for (std::string line; std::getline(fstab, line);) {
    std::istringstream words(line);
    std::string what, where, type;
    if (words >> what >> where >> type && type == "swap") files.push_back(what);
  }
  for (const auto& path : guest.glob("/etc/systemd/system/*.swap")) {
    std::istringstream unit(text_of(path));
    const std::string label = "What=";
    for (std::string line; std::getline(unit, line);)
      if (line.starts_with(label)) files.push_back(line.substr(label.size()));
  }
  return files;
}

}  // namespace

bool may_hold_identity(const std::string& mount_point) {
  return std::ranges::any_of(std::array{"/etc", "/var", "/boot", "/efi"}, [&](const std::string& folder) {
    return mount_point == folder || mount_point.starts_with(folder + "/");
  });
}

void Guest::refuse_encrypted() {
  for (const auto& [device, type] : contents())
    if (type == "crypto_LUKS" || type == "BitLocker")
      throw Failure(ErrorKind::unsupported,
                    "the disk is encrypted (" + type + " on " + device + "): what is in there cannot be reached");
}

// The copy would wake up as the source: with its memory, its ids and its keys. What is mounted has been seen to be a
// Linux.
void Guest::refuse_hibernated() {
  const auto check = [](const std::string& where, const Text& mark, std::size_t size) {
    if (mark && is_asleep(std::string(mark.get(), size)))
      throw Failure(ErrorKind::unsupported,
                    "the guest is asleep on its disk (hibernated, in " + where + "): a copy would wake up as itself",
                    "start it, shut it down properly, and try again");
  };
  // Read before the call, not in it: the order in which a call's arguments are evaluated is anybody's guess.
  std::size_t size = 0;
  for (const auto& [device, type] : contents()) {
    if (type != "swap" && type != "swsuspend") continue;
    const Text mark(guestfs_pread_device(handle_, device.c_str(), mark_length, mark_at, &size));
    check(device, mark, size);
  }
  for (const auto& name : swap_files(*this)) {
    if (!name.starts_with('/') || name.starts_with("/dev/")) continue;
    const Entry entry = look(name);
    if (entry.kind != Entry::Kind::file) continue;
    const Text mark(guestfs_pread(handle_, entry.path.c_str(), mark_length, mark_at, &size));
    check(name, mark, size);
  }
}

}  // namespace anyvisor::identity
