// SPDX-License-Identifier: MIT
// Which device stands in which slot of the root bus (pcie.0). Fixed, so that a guest finds its devices where they were
// after every start, whatever else the machine has. Slots 0 and 31 belong to the chipset; 25 to 30 are left free.
#pragma once

#include <cstddef>
#include <string>

namespace anyvisor::qemu {

inline constexpr unsigned channel_slot = 2;
inline constexpr unsigned random_slot = 3;
inline constexpr unsigned first_disk_slot = 4;
inline constexpr std::size_t max_disks = 12;
inline constexpr unsigned first_nic_slot = 16;
inline constexpr std::size_t max_nics = 8;
inline constexpr unsigned vsock_slot = 24;

// Two hexadecimal digits, as -device takes it.
inline std::string pci_address(unsigned slot) {
  constexpr const char* digits = "0123456789abcdef";
  return {digits[(slot >> 4) & 15], digits[slot & 15]};
}
inline std::string disk_address(std::size_t index) {
  return pci_address(first_disk_slot + static_cast<unsigned>(index));
}
inline std::string nic_address(std::size_t index) {
  return pci_address(first_nic_slot + static_cast<unsigned>(index));
}

}  // namespace anyvisor::qemu
