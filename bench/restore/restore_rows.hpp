// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "restore/pages_guest.hpp"

namespace anyvisor::bench {

struct Place {
  std::string home, cli;
  std::string guest;    // the kernel of tests/guests/pages.c; in `home` it is the image "pages"
  std::string scratch;  // a folder on the same file system, with room for as much as the largest machine has touched
};

void register_ours(const Place& place, const std::vector<Size>& sizes);
void register_peers(const Place& place, const std::vector<Size>& sizes);

}  // namespace anyvisor::bench
