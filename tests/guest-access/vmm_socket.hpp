// SPDX-License-Identifier: MIT
// A Unix socket as a VMM has it for its guest's vsock ports, and behind it a guest that serves ssh on port 22.
#pragma once

#include <atomic>
#include <thread>

#include "ssh_server.hpp"

namespace anyvisor::test {

enum class VsockGuest {
  serves_ssh,
  serves_late,  // takes the connection at once, and starts its server 6 s later
  refuses,      // nobody listens: the VMM hangs up
  silent,       // no driver for the device: no answer ever
  nonsense,     // no VMM that we know
};

// Serves until the object ends. The guest's ssh server is `server`'s, started for each connection as in a guest.
class VmmSocket {
 public:
  VmmSocket(const SshServer& server, VsockGuest guest);
  ~VmmSocket();
  VmmSocket(const VmmSocket&) = delete;
  VmmSocket& operator=(const VmmSocket&) = delete;

  VsockRoute route() const { return route_; }
  // The server's access, by this way; its TCP port leads nowhere.
  SshAccess access() const;
  void becomes(VsockGuest guest) { guest_ = guest; }
  int connections() const { return connections_; }

 private:
  void serve();
  void answer(Fd connection);

  const SshServer& server_;
  std::atomic<VsockGuest> guest_;
  std::atomic<int> connections_{0};
  VsockRoute route_;
  Fd listener_, ended_;
  std::vector<Child> children_;
  std::vector<Fd> silent_;
  std::thread thread_;
};

}  // namespace anyvisor::test
