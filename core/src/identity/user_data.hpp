// SPDX-License-Identifier: MIT
// What a person gives a guest's cloud-init (--cloud-init). It goes into the guest byte by byte; anyvisor's own part
// stands beside it as vendor-data, which cloud-init itself merges under it. So all that is done here is to find
// mistakes before anything is changed, and to learn what bears on the way in over ssh.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "anyvisor/result.hpp"

namespace anyvisor {

inline constexpr std::size_t largest_user_data = 1u << 20;

struct UserData {
  std::string text;  // as given
  // False: a script, MIME, a jinja template, an include, ...: cloud-init alone knows what is in there.
  bool is_cloud_config = false;
  std::string user;  // whom it makes the default user; empty: it does not say
  // Host keys that it brings: type ("ed25519", "rsa") to the public line.
  std::map<std::string, std::string> host_keys;
};

// Whether ssh's command line and cloud-init can both carry it as a login name. [any thread]
bool is_user_name(std::string_view name);

// Errors, all invalid_argument with field "/user_data": not UTF-8, too large, empty, nothing that cloud-init knows; for
// a #cloud-config, where its YAML breaks off (line and column), and what would shut anyvisor out of the guest.
Result<UserData> read_user_data(std::string text);

}  // namespace anyvisor
