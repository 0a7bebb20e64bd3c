// SPDX-License-Identifier: MIT
// The instance's folder and what of it is the VMM's: sockets by short paths, so that its own may have any length.
#pragma once

#include <string>

#include "descriptor.hpp"

namespace anyvisor::cloud_hypervisor {

inline constexpr const char* api_socket = "api.sock";
// Made by the VMM: "CONNECT port" and a newline written to it lead to a port of the guest's.
inline constexpr const char* vsock_socket = "vsock.sock";
// There once the guest has been booted: the VMM itself calls a guest that has powered off "Created", too.
inline constexpr const char* booted_marker = "guest-booted";

// One instance's folder, held open. Throws sdk::Failure. One thread at a time.
class InstanceFolder {
 public:
  explicit InstanceFolder(std::string path);

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  // The path of a file in it, as short as a socket's address must be; valid in this process only.
  std::string short_path(const std::string& name) const;

  // A listening socket bound to `name`, mode 0600. What a dead VMM left there is replaced. The VMM gets the socket as a
  // descriptor: a client may connect before it runs, nobody has to poll.
  Descriptor listen(const std::string& name) const;
  // A connected socket, non-blocking; never waits. Failure UNAVAILABLE when nobody listens, TIMEOUT when the VMM has
  // let too many wait.
  Descriptor connect(const std::string& name) const;
  // logs/console.log, opened to append: what the VMM's standard output is.
  Descriptor open_console_log() const;
  void make_logs_folder() const;
  bool has(const char* name) const noexcept;
  void make_marker(const char* name) const;
  void remove(const char* name) const noexcept;

 private:
  std::string path_;
  Descriptor fd_;
};

}  // namespace anyvisor::cloud_hypervisor
