// SPDX-License-Identifier: MIT
// Ids, MACs and names: everything that has to be unique.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "anyvisor/result.hpp"

namespace anyvisor {

// A UUIDv7 (RFC 9562): 48 bits of Unix time in milliseconds, the rest random. [any thread]
std::string new_id();
// A random UUIDv4, for what a guest sees (SMBIOS, vmgenid): it tells nothing about time. [any thread]
std::string new_random_uuid();
// The last 12 hex digits: the first ones are a clock, which instances made together share.
std::string short_id(std::string_view id);
bool is_id(std::string_view text);

// A locally administered unicast MAC, 52:54:00 (the customary prefix of virtual machines) and three random bytes.
std::string new_mac();
// A vsock context id that a guest can have, at random: 3 to 2^32 - 2. [any thread]
std::uint32_t new_vsock_cid();

// A name is a hostname label (RFC 1123): 1 to 63 of [a-z0-9-] in either case, no '-' at an end. Errors:
// invalid_argument, field "/name".
Result<void> check_name(std::string_view name);
// A pleasant name, "calm-heron", for which `is_taken` answers false.
std::string make_up_name(const std::function<bool(const std::string&)>& is_taken);

}  // namespace anyvisor
