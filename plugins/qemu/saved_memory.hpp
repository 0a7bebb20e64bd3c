// SPDX-License-Identifier: MIT
// A sleeping machine's RAM: the file `memory` in the folder of its saved state. Behind the RAM stands a page with a
// label, which says to whom and to which moment it belongs.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstdint>
#include <string>

#include "instance_folder.hpp"

namespace anyvisor::qemu {

inline constexpr const char* saved_memory_name = "memory";

// Makes `memory` (of `size` bytes, mapped by a VMM whose guest stands still) the file in `folder`, durably. A memfd is
// copied, what is touched of it, with progress, and the rest is allocated; a nameless file gets the name; what is the
// file already is synced. A failure or cancelling leaves no new file. Throws EXHAUSTED (no space), CANCELLED, TIMEOUT.
void make_memory_durable(const sdk::Context& context, int memory, std::uint64_t size, const std::string& folder,
                         const std::string& label);
// Opens it. Throws CORRUPTED when it is missing, has another size or another label.
Descriptor open_saved_memory(const std::string& folder, std::uint64_t size, const std::string& label);

}  // namespace anyvisor::qemu
