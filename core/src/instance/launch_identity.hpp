// SPDX-License-Identifier: MIT
// The part of a launch that makes a guest reachable: its seed, its login user, its pinned host keys, its ssh port.
#pragma once

#include <optional>

#include "identity/cloud_config.hpp"
#include "image/image_catalog.hpp"
#include "instance/machine_control.hpp"
#include "instance/staged_folder.hpp"

namespace anyvisor {

// What `record` is to have: has_seed, user, and 127.0.0.1:0 -> 22 on its first user-mode network unless port 22 is
// published already. Makes the home's key pair where there is none. `record` has its id and its networks. nullopt: this
// guest gets no seed, as its image runs no cloud-init and no user data is given. Errors: those of home_public_key();
// invalid_argument (the image's user is none that ssh can log in as).
Result<std::optional<GuestIdentity>> choose_identity(const Workspace& workspace, const ImageRecord& image,
                                                     UserData user_data, InstanceRecord& record);

// known_hosts, and user-data as the person gave it. Private keys go into the seed and nowhere else.
Result<void> stage_identity(const GuestIdentity& identity, StagedFolder& staged);

// The seed, by the instance's plugin-host; `record` has its name and its MACs.
Result<void> write_seed(const GuestIdentity& identity, const InstanceRecord& record, MachineControl& machine,
                        Operation& operation);

}  // namespace anyvisor
