// SPDX-License-Identifier: MIT
// The guest's RAM: a nameless file that QEMU maps shared.
#pragma once

#include <cstdint>

#include "instance_folder.hpp"

namespace anyvisor::qemu {

// A memfd that can be sealed, `size` bytes, nothing allocated yet. Throws sdk::Failure EXHAUSTED.
Descriptor make_memfd(std::uint64_t size);
// A nameless file in the instance's folder, fully allocated: a full disk is an error here, never a SIGBUS later.
Descriptor make_memory_file(const InstanceFolder& folder, std::uint64_t size);

}  // namespace anyvisor::qemu
