// SPDX-License-Identifier: MIT
// A clone's disk that is no overlay on its source's: a reflink of the source's top file, or a full copy.
#pragma once

#include "clone/prepared.hpp"
#include "clone/strategy.hpp"
#include "instance/phase_clock.hpp"

namespace anyvisor {

struct OwnFileTask {
  Disk source;                      // nothing writes to it meanwhile
  const Prepared* slots = nullptr;  // what was prepared for it: the disk then has the placeholders in it
  std::string id;                   // of the new disk
  std::uint64_t size = 0;           // bytes; not less than the source's
  std::string origin;
};

// Makes the disk, durably. `chosen` is changed where the file system cannot what was chosen and a copy will do. On
// failure nothing is left. The caller keeps collections away. Errors: unsupported (the file system), unavailable (no
// disk image tool), exhausted (no room, told beforehand where it can be), cancelled, backend_failed.
Result<Disk> make_own_file(const Workspace& workspace, const OwnFileTask& task, ChosenStrategy& chosen,
                           PhaseClock& clock);

// Puts a clone's values in the place of the placeholders. Errors: those of content_of, and of overwrite_in_place.
Result<void> write_slots(const std::string& path, const std::string& format, const std::vector<Slot>& slots,
                         const std::map<std::string, std::string>& values);

}  // namespace anyvisor
