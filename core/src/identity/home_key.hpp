// SPDX-License-Identifier: MIT
// The home folder's own key pair: with it anyvisor logs in to every guest whose first configuration it wrote.
#pragma once

#include <string>

#include "anyvisor/result.hpp"
#include "storage/home.hpp"

namespace anyvisor {

// The public half as one line, without a newline. The pair (Home::ssh_key() and beside it .pub, both 0600 in a folder
// of 0700) is made at the first call: durably, and once, however many processes ask at the same time. The private half
// is what counts: a missing public one is derived from it. A person may put a key pair of their own there. Errors:
// busy, unavailable, exhausted; corrupted or unsupported (the key there cannot be used).
Result<std::string> home_public_key(const Home& home);

}  // namespace anyvisor
