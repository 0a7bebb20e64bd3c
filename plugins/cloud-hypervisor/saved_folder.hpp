// SPDX-License-Identifier: MIT
// The files of a save: what Cloud Hypervisor writes into a folder (state.json, config.json, memory-ranges), and what
// binds them together: a page behind the RAM that says whose it is, of which moment and of which version.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <string>

#include "version.hpp"

namespace anyvisor::cloud_hypervisor {

inline constexpr const char* saved_state_name = "state.json";
inline constexpr const char* saved_memory_name = "memory-ranges";

struct SavedPlace {
  std::string folder, label;
  bool durable = true;
};

// Of a save or restore request. Failure INVALID_ARGUMENT.
SavedPlace parse_place(const json::Value& request);

// Removes what an earlier save has left: Cloud Hypervisor takes no file that is there.
void clear_saved(const SavedPlace& place);

// After the VMM has written its files: keeps its config under another name, writes the page behind the RAM, and, when
// the place is durable, flushes all of it. Returns the size of the device state. Failure EXHAUSTED on a full disk.
std::uint64_t seal_saved(const SavedPlace& place, Version version);

// The config of the machine that was saved there. Failure CORRUPTED where a file is missing, is damaged as far as can
// be seen without reading the RAM, belongs to another moment, or was written by another version.
json::Document open_saved(const SavedPlace& place, Version version);

// Writes the config with which the machine is to be restored.
void write_config(const SavedPlace& place, const json::Value& config);

}  // namespace anyvisor::cloud_hypervisor
