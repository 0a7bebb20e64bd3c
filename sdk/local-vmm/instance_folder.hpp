// SPDX-License-Identifier: MIT
// The instance's folder as a VMM gets to see it: by descriptor, and sockets by short paths, so that its own path may
// have any length.
#pragma once

#include <string>

#include "local-vmm/descriptor.hpp"

namespace anyvisor::sdk {

// One instance's folder, held open. Throws Failure. One thread at a time.
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
  // A connected socket, which may have to wait for its place in the queue. Failure UNAVAILABLE when nobody listens.
  Descriptor connect(const std::string& name) const;
  // The same, non-blocking; never waits. Failure TIMEOUT when the VMM has let too many wait.
  Descriptor connect_at_once(const std::string& name) const;
  void make_logs_folder() const;
  // logs/console.log, opened to append.
  Descriptor open_console_log() const;
  bool has(const char* name) const noexcept;
  // An empty file: that it is there says something.
  void make_marker(const char* name) const;
  void remove(const char* name) const noexcept;

 private:
  std::string path_;
  Descriptor fd_;
};

}  // namespace anyvisor::sdk
