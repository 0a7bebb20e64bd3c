// SPDX-License-Identifier: MIT
// Without durability a sleeping machine's RAM stays in this process, after its VMM's end and whatever machine object
// comes and goes: a restored one is attached anew.
#pragma once

#include <string>

#include "instance_folder.hpp"

namespace anyvisor::qemu {

// In place of what was kept before: a process has one machine. Throws BACKEND_FAILED (no descriptor left). [any thread]
void keep_memory(const std::string& label, const Descriptor& memory);
// A descriptor of the same memory; it stays kept. Throws NOT_FOUND (this process keeps none), CORRUPTED (another
// label). [any thread]
Descriptor kept_memory(const std::string& label);
// The guest goes on, or starts afresh: what was kept is no saved state any more. [any thread]
void forget_kept_memory();

}  // namespace anyvisor::qemu
