// SPDX-License-Identifier: MIT
// The way into a guest: where its ssh server is reached, as whom, and which host keys it must show. OpenSSH's own
// programs do the work, with a configuration of ours and nobody else's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anyvisor/guest.hpp"
#include "anyvisor/result.hpp"
#include "instance/instance_record.hpp"
#include "instance/workspace.hpp"
#include "storage/fd.hpp"
#include "wire/guest_vsock.hpp"

namespace anyvisor {

struct SshAccess {
  std::string instance;  // its name, for messages
  std::string alias;     // what ssh calls it: the name of its host keys, and of its block in the configuration
  std::string address;   // on this machine
  std::uint16_t port = 0;
  std::optional<VsockRoute> vsock;  // goes this way instead, and address and port mean nothing
  std::string vsock_dial;           // the program that connects there
  std::string user;
  std::string home;         // the home folder; the working folder of ssh
  std::string key;          // relative to `home`, as all names are that ssh gets: nothing in a path can confuse it
  std::string known_hosts;  // relative to `home`

  std::string place() const;  // where its ssh server is, for messages
};

// Errors: unsupported (its guest has no login for us, or nothing leads to it that way), invalid_state (it does not
// run), corrupted (its host keys or the home folder's key are missing); those of asking the plugin-host, for vsock.
Result<SshAccess> find_ssh_access(const Workspace& workspace, const InstanceRecord& record, Via via);

// The configuration for ssh and scp: one block for each access, then what holds for all. `connect_limit` in seconds.
std::string ssh_config(const std::vector<SshAccess>& accesses, unsigned connect_limit);

// ssh or scp. Errors: unavailable, naming the package.
Result<std::string> find_ssh_program(const std::string& name);

// A file without a name that children of this process can open by path(), as long as this object lives.
class NamelessFile {
 public:
  static Result<NamelessFile> make(std::string_view content);
  std::string path() const;
  std::string content() const;
  int fd() const { return fd_.get(); }

 private:
  explicit NamelessFile(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// What ssh itself said when it failed (exit code 255), as an error that says what it means for this instance. Errors:
// not_ready, `retry` (nobody answers yet, or the login is refused), unavailable (another host key), backend_failed (the
// connection ended meanwhile).
Error explain_ssh_failure(const SshAccess& access, std::string_view said);

}  // namespace anyvisor
