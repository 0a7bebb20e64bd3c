// SPDX-License-Identifier: MIT
// The durable changes of `saved/` (docs/standby.md), each a step of its own. The instance's lock is held.
#pragma once

#include "instance/workspace.hpp"
#include "standby/manifest.hpp"

namespace anyvisor {

// For a save: the folder is there, and of an earlier one only `memory` is left, which the VMM may run on.
Result<void> prepare_saved_folder(const std::string& instance_folder);
// From here on the machine is in Standby. On failure there is no manifest, durably; where not even that can be had the
// error is corrupted, and the guest must not go on.
Result<void> publish_manifest(const std::string& instance_folder, const Manifest& manifest);
// From here on the state is used: the manifest is consumed.json now, durably. On failure it is what it was, or (kind
// corrupted) nobody knows.
Result<void> consume_manifest(const std::string& instance_folder);
// A manifest that counts for nothing, since its machine's guest is about to go on. None: no error.
Result<void> drop_manifest(const std::string& instance_folder);
// What a save or a restore leaves that nobody needs once the guest runs: all but `memory` and consumed.json. Not being
// able to is no failure: the next save or start tries again.
void drop_device_state(const std::string& instance_folder);
// No state can be restored any more, the manifest first. `keep_consumed`: it still tells what became of it. A missing
// folder is no error.
Result<void> drop_saved_state(const std::string& instance_folder, bool keep_consumed);
// Ends a plugin-host that still keeps a memory which nobody can restore any more. The VMM, if any, is not touched.
void let_go_of_kept_memory(const std::string& instance_folder);

}  // namespace anyvisor
