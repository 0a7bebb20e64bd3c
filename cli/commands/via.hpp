// SPDX-License-Identifier: MIT
// The way to a guest's ssh server, as exec, shell and copy take it.
#pragma once

#include <anyvisor/guest.hpp>

#include "arguments.hpp"
#include "command.hpp"

namespace anyvisor::cli {

inline constexpr Option via_option{"via", 0, "ssh|vsock",
                                   "ssh over a published port, or over vsock (default: the port where there is one)"};

inline Via read_via(const Arguments& arguments) {
  const std::string way = arguments.choice("via", {"ssh", "vsock"}, "");
  return way == "ssh" ? Via::network : way == "vsock" ? Via::vsock : Via::automatic;
}

}  // namespace anyvisor::cli
