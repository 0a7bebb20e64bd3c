// SPDX-License-Identifier: MIT
// What cloud-init finds on a guest's seed (data source NoCloud), and which host keys ssh may expect of it.
//
// anyvisor's own part is vendor-data: cloud-init merges it under the person's user-data, whatever form that has, and
// the person's values win. Where cloud-init replaces a list of vendor-data by one of user-data, ours stands elsewhere
// too: the home's key in meta-data, and the login user as "user", to which a list of "users" adds.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "identity/ssh_key.hpp"
#include "identity/user_data.hpp"

namespace anyvisor {

// Who logs in where an image does not say.
inline constexpr const char* usual_user = "anyvisor";

struct GuestIdentity {
  std::string id;    // of the instance
  std::string user;  // login name: the image's, or the one that user-data names
  std::string authorized_key;
  std::vector<SshKey> host_keys;  // one of each type; those of types that user-data brings are left out
  UserData user_data;             // text empty: none given
};

// With new host keys. `image_user` may be empty. Errors: internal.
Result<GuestIdentity> make_identity(std::string id, const std::string& image_user, std::string authorized_key,
                                    UserData user_data);

// The guest's known_hosts: one line a host key, under the name `alias`.
std::string known_hosts_lines(const GuestIdentity& identity, const std::string& alias);

// The seed's files, names and texts. `macs`: of all NICs, in order; each gets its address by DHCP. None: the guest is
// told to wait for no network.
std::vector<std::pair<std::string, std::string>> seed_files(const GuestIdentity& identity, const std::string& hostname,
                                                            const std::vector<std::string>& macs);

}  // namespace anyvisor
