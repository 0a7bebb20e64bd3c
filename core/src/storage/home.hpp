// SPDX-License-Identifier: MIT
// The home folder: where everything is, by name. ARCHITECTURE.md draws it.
#pragma once

#include <string>

#include "anyvisor/result.hpp"

namespace anyvisor {

class Home {
 public:
  // Empty `path`: $ANYVISOR_HOME, else for root /var/lib/anyvisor, else $XDG_DATA_HOME/anyvisor, else
  // ~/.local/share/anyvisor. Makes nothing: where there is no such folder it is a home without anything in it. Errors:
  // unavailable, corrupted.
  static Result<Home> find(const std::string& path);
  // The same, and make().
  static Result<Home> open(const std::string& path);
  // Makes what is missing, mode 0700; for whoever is about to write into it. Errors: unavailable, corrupted, exhausted.
  Result<void> make() const;
  bool is_there() const;  // it has been made

  const std::string& path() const { return path_; }  // absolute
  std::string instances() const { return path_ + "/instances"; }
  std::string instance(const std::string& id) const { return instances() + "/" + id; }
  std::string staging() const { return path_ + "/staging"; }
  std::string staging(const std::string& id) const { return staging() + "/" + id; }
  std::string disks() const { return path_ + "/disks"; }
  std::string images() const { return path_ + "/images"; }
  std::string ssh() const { return path_ + "/ssh"; }             // the key pair that opens every guest
  std::string ssh_key() const { return ssh() + "/id_ed25519"; }  // private; the public one beside it: .pub
  std::string known_hosts(const std::string& id) const { return instance(id) + "/known_hosts"; }
  // The name under which an instance's host keys stand in its known_hosts, whatever its address and port.
  static std::string host_key_alias(const std::string& id) { return "anyvisor-" + id; }
  std::string prepared() const { return path_ + "/prepared"; }  // what clones are quickly made from
  std::string cache() const { return path_ + "/cache"; }
  std::string names_lock() const { return path_ + "/names.lock"; }
  std::string disks_lock() const { return path_ + "/disks.lock"; }

 private:
  Result<void> check_writable() const;
  std::string path_;
};

}  // namespace anyvisor
