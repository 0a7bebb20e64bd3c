// SPDX-License-Identifier: MIT
// QEMU's block graph of a machine's disks: one protocol and one format node for every file of every chain, all named
// here, so that QEMU opens nothing that a disk's own header names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "machine_document.hpp"

namespace anyvisor::qemu {

// Node names, at most 31 bytes as QEMU wants them: disk0 is the format node of the first disk's own file, disk0-file
// its protocol node; disk0-back1, disk0-back1-file those of its first backing file.
std::string format_node(std::size_t disk, std::size_t link);

// The values of -blockdev for one disk, deepest file first: a node stands before those that refer to it.
std::vector<std::string> blockdev_options(const Disk& disk, std::size_t index);
// The value of -device for it.
std::string disk_device(const Disk& disk, std::size_t index, bool bootable);
// The device's id in QEMU.
std::string disk_device_id(const std::string& disk_id);
// What blockdev-add takes for a new, writable file without a backing file of its own: a live snapshot's overlay.
std::string overlay_node(const ChainLink& overlay, const std::string& node_name);
std::string protocol_node(const std::string& path, const std::string& node_name, bool read_only);

}  // namespace anyvisor::qemu
