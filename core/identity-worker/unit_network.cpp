// SPDX-License-Identifier: MIT
// What ties a system to its network cards and its place in the network.
#include <algorithm>
#include <cctype>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

void cloud_init(Rewrite& rewrite) {
  Guest& guest = rewrite.guest();
  if (!guest.is_folder("/etc/cloud")) return;
  // Its memory of the source: user data and keys. What ran once for all (sem/) is remembered.
  for (const char* pattern :
       {"/var/lib/cloud/instances/*", "/var/lib/cloud/instance", "/var/lib/cloud/data/instance-id",
        "/var/lib/cloud/data/previous-*", "/var/lib/cloud/data/result.json", "/var/lib/cloud/data/status.json"})
    for (const auto& path : guest.glob(pattern)) rewrite.remove(path);
  // Network files that it made for the source's cards: it makes new ones from the clone's seed.
  for (const char* pattern :
       {"/etc/netplan/50-cloud-init.yaml", "/etc/network/interfaces.d/50-cloud-init*",
        "/etc/systemd/network/10-cloud-init-*", "/run/systemd/network/10-cloud-init-*",
        "/etc/NetworkManager/system-connections/cloud-init-*", "/etc/udev/rules.d/85-persistent-net-cloud-init.rules"})
    for (const auto& path : guest.glob(pattern)) rewrite.remove(path);
  // A seed that cannot be read must not cost the host keys.
  if (guest.is_folder("/etc/cloud/cloud.cfg.d"))
    rewrite.create("/etc/cloud/cloud.cfg.d/99-anyvisor-clone.cfg",
                   "# The host keys were written by anyvisor and are known to it.\n"
                   "ssh_deletekeys: false\nssh_genkeytypes: [ed25519, ecdsa]\n");
}

void network_macs(Rewrite& rewrite) {
  Guest& guest = rewrite.guest();
  for (const char* pattern : {"/etc/netplan/*.yaml", "/etc/systemd/network/*.network", "/etc/systemd/network/*.link",
                              "/etc/NetworkManager/system-connections/*", "/etc/sysconfig/network-scripts/ifcfg-*",
                              "/etc/sysconfig/network/ifcfg-*", "/etc/udev/rules.d/*net*.rules",
                              "/etc/network/interfaces", "/etc/network/interfaces.d/*"})
    for (const auto& path : guest.glob(pattern)) {
      // cloud-init's own are gone, or would be.
      if (!guest.is_file(path) || path.find("cloud-init") != std::string::npos) continue;
      std::string text = guest.read(path);
      const std::size_t length = text.size();  // one MAC is as long as another
      bool any = false;
      for (std::size_t i = 0; i < rewrite.source().macs.size(); ++i) {
        const std::string& mac = rewrite.source().macs[i];
        for (auto at = lower(text).find(mac); !mac.empty() && at != std::string::npos; at = lower(text).find(mac)) {
          text.replace(at, mac.size(), "{mac" + std::to_string(i) + "}");
          any = true;
        }
      }
      if (any) rewrite.write(path, text, length);
    }
}

void dhcp_leases(Rewrite& rewrite) {
  for (const char* pattern :
       {"/var/lib/dhcp/*.lease*", "/var/lib/dhclient/*", "/var/lib/dhcpcd/*", "/var/lib/NetworkManager/*.lease",
        "/var/lib/NetworkManager/secret_key", "/var/lib/NetworkManager/timestamps", "/var/lib/systemd/network/*",
        "/etc/dhcpcd.duid", "/var/db/dhcpcd/*", "/var/lib/wicked/duid.xml", "/var/lib/wicked/lease-*"})
    for (const auto& path : rewrite.guest().glob(pattern))
      if (rewrite.guest().is_file(path)) rewrite.remove(path);
}

}  // namespace anyvisor::identity
