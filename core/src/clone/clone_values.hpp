// SPDX-License-Identifier: MIT
// What stands for the {variables} of slots in one clone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "clone/slots.hpp"
#include "identity/cloud_config.hpp"

namespace anyvisor {

// Makes the host keys that `slots` ask for and `identity` lacks. One of a type that user data brings is answered: it
// fills the slot until cloud-init writes the person's own there. Any other is the clone's own, and is added to
// `identity`: RSA, for a guest whose ssh server has no other. Errors: those of make_ssh_key.
Result<std::vector<SshKey>> make_missing_keys(GuestIdentity& identity, const std::vector<Slot>& slots);

struct CloneValues {
  std::string hostname;
  std::vector<std::string> macs;
};
// With new random ids for the rest, and these keys. Errors: internal.
Result<std::map<std::string, std::string>> make_values(const CloneValues& values, const std::vector<SshKey>& keys,
                                                       const std::vector<SshKey>& more_keys);

}  // namespace anyvisor
