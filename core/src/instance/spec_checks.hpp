// SPDX-License-Identifier: MIT
// What is refused of a machine's processors and memory, whoever asks for them: launch, clone, set.
#pragma once

#include <cstdint>

#include "anyvisor/result.hpp"
#include "storage/home.hpp"

namespace anyvisor {

// Errors: invalid_argument, field /cpus.
Result<void> check_cpus(unsigned cpus);

// `bytes`: a multiple of 1 MiB, and not more than this host has, used or not: its RAM and swap, or, with the setting
// memory.backing=file, what the disk takes (which is not looked at here). Errors: invalid_argument, exhausted with the
// figures; field /memory.
Result<void> check_memory(const Home& home, std::uint64_t bytes);

}  // namespace anyvisor
