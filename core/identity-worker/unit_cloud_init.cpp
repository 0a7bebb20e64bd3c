// SPDX-License-Identifier: MIT
// cloud-init: a clone has a seed of its own, and is a new instance to it.
#include <regex>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

// Whether it would make the network's files anew: people switch that off to keep them.
bool makes_network_files(Guest& guest) {
  if (guest.exists("/etc/cloud/cloud-init.disabled")) return false;
  static const std::regex off(R"((^|\n)\s*network\s*:\s*\{?\s*"?config"?\s*:\s*"?disabled)");
  auto settings = guest.glob("/etc/cloud/cloud.cfg.d/*.cfg");
  settings.emplace_back("/etc/cloud/cloud.cfg");
  for (const auto& name : settings) {
    const Entry entry = guest.look(name);
    if (entry.kind == Entry::Kind::file && std::regex_search(guest.read(entry.path).value_or(""), off)) return false;
  }
  return true;
}

// In files whose names are those that people use as well, it says that it made them.
bool is_its_own(Guest& guest, const std::string& name) {
  const Entry entry = guest.look(name);
  if (entry.link || entry.kind != Entry::Kind::file) return false;
  const std::string text = guest.read(entry.path).value_or("");
  return text.starts_with("# Created by cloud-init") ||
         text.starts_with("# This file is generated from information provided by the datasource");
}

}  // namespace

void cloud_init(Rewrite& rewrite) {
  Guest& guest = rewrite.guest();
  if (guest.look("/etc/cloud").kind != Entry::Kind::folder) return;
  // Its memory of the source: user data and keys. What ran once for all (sem/) is remembered.
  for (const char* pattern :
       {"/var/lib/cloud/instances/*", "/var/lib/cloud/instance", "/var/lib/cloud/data/instance-id",
        "/var/lib/cloud/data/previous-*", "/var/lib/cloud/data/set-hostname", "/var/lib/cloud/data/result.json",
        "/var/lib/cloud/data/status.json"})
    for (const auto& name : guest.glob(pattern)) rewrite.remove(name);
  // Network files that it made for the source's cards: it makes new ones from the clone's seed.
  if (makes_network_files(guest)) {
    for (const char* pattern : {"/etc/netplan/50-cloud-init.yaml", "/etc/network/interfaces.d/50-cloud-init*",
                                "/etc/systemd/network/10-cloud-init-*", "/etc/systemd/network/50-cloud-init-*",
                                "/etc/NetworkManager/system-connections/cloud-init-*",
                                "/etc/udev/rules.d/85-persistent-net-cloud-init.rules"})
      for (const auto& name : guest.glob(pattern)) rewrite.remove(name);
    for (const char* pattern :
         {"/etc/sysconfig/network-scripts/ifcfg-*", "/etc/sysconfig/network/ifcfg-*", "/etc/network/interfaces"})
      for (const auto& name : guest.glob(pattern))
        if (is_its_own(guest, name)) rewrite.remove(name);
  }
  // A seed that cannot be read must not cost the host keys.
  if (guest.look("/etc/cloud/cloud.cfg.d").kind == Entry::Kind::folder)
    rewrite.create("/etc/cloud/cloud.cfg.d/99-anyvisor-clone.cfg",
                   "# The host keys were written by anyvisor and are known to it.\n"
                   "ssh_deletekeys: false\nssh_genkeytypes: [ed25519, ecdsa]\n",
                   "cloud-init leaves the host keys as they are written");
}

}  // namespace anyvisor::identity
