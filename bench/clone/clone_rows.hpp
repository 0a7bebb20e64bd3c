// SPDX-License-Identifier: MIT
#pragma once

#include "sources.hpp"

namespace anyvisor::bench {

void register_ours(const Sources& sources);
void register_peers(const Sources& sources);

}  // namespace anyvisor::bench
