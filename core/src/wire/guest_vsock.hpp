// SPDX-License-Identifier: MIT
// Connections to a port of a guest over its vsock device, which takes no network of the guest's. A VMM that serves the
// device itself has a Unix socket for it, on which the port is asked for by a line; else this host's kernel serves it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "storage/fd.hpp"

namespace anyvisor {

struct VsockRoute {
  std::string socket;     // absolute path of the VMM's socket; empty: AF_VSOCK, by `cid`
  std::uint32_t cid = 0;  // the guest's context id
  std::uint32_t port = 0;
};

// A non-blocking socket, perhaps still connecting; a VMM's socket has been asked for the port, and what comes first on
// it is its answer, a line. Errors: not_found, unavailable, timeout, unsupported (this host's kernel has no vsock).
Result<Fd> begin_vsock(const VsockRoute& route);

// A blocking socket that leads to the guest's port and nothing was read from. Errors: those of begin_vsock; timeout,
// unavailable (nobody in the guest listens there, or it has no driver for the device).
Result<Fd> connect_vsock(const VsockRoute& route, std::chrono::steady_clock::time_point deadline);

}  // namespace anyvisor
