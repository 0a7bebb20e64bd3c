// SPDX-License-Identifier: MIT
// The instance's folder as QEMU gets to see it: by descriptor, so that its path may have any length.
#pragma once

#include <string>

#include "descriptor.hpp"

namespace anyvisor::qemu {

inline constexpr const char* qmp_socket = "qmp.sock";
inline constexpr const char* console_socket = "console.sock";
inline constexpr const char* agent_socket = "agent.sock";

// One instance's folder, held open. Throws sdk::Failure. One thread at a time.
class InstanceFolder {
 public:
  explicit InstanceFolder(std::string path);

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  // The path of a file in it, as short as a socket's address must be; valid in this process only.
  std::string short_path(const std::string& name) const;

  // A listening socket bound to `name`, mode 0600. What a dead VMM left there is replaced. QEMU gets the socket as a
  // descriptor: a client may connect before QEMU runs, nobody has to poll.
  Descriptor listen(const std::string& name) const;
  // A connected socket; Failure UNAVAILABLE when nobody listens.
  Descriptor connect(const std::string& name) const;
  void make_logs_folder() const;
  void remove_sockets() const noexcept;

 private:
  std::string path_;
  Descriptor fd_;
};

}  // namespace anyvisor::qemu
