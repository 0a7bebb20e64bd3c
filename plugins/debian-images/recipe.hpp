// SPDX-License-Identifier: MIT
// The texts of the recipe, from recipe/*.sh and scripts/host-apt.sh.
#pragma once

#include <string_view>

namespace debian_images::recipe {

extern const std::string_view build;      // run by bash: makes a whole image
extern const std::string_view customize;  // run by mmdebstrap: what the guest is like
extern const std::string_view host_apt;   // functions: how this machine reaches the archive

}  // namespace debian_images::recipe
