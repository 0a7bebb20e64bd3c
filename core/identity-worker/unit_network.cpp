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

// A MAC address in a longer row of numbers (an InfiniBand address, a DUID) is none.
bool in_address(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

std::size_t replace_address(std::string& text, const std::string& address, const std::string& variable) {
  std::size_t count = 0;
  std::string seen = lower(text);
  for (auto at = seen.find(address); !address.empty() && at != std::string::npos; at = seen.find(address, at)) {
    const auto end = at + address.size();
    const char separator = address[2];
    const bool before =
        at > 0 && (in_address(seen[at - 1]) || (at > 1 && seen[at - 1] == separator && in_address(seen[at - 2])));
    const bool after =
        end < seen.size() &&
        (in_address(seen[end]) || (end + 1 < seen.size() && seen[end] == separator && in_address(seen[end + 1])));
    if (before || after) {
      at = end;
      continue;
    }
    text.replace(at, address.size(), variable);
    seen.replace(at, address.size(), variable);
    at += variable.size();
    ++count;
  }
  return count;
}

}  // namespace

void network_macs(Rewrite& rewrite) {
  // netplan, systemd-networkd, NetworkManager, ifcfg (Red Hat, SUSE), ifupdown (Debian, Alpine), netctl (Arch), udev.
  for (const char* pattern : {"/etc/netplan/*.yaml",
                              "/etc/systemd/network/*.network",
                              "/etc/systemd/network/*.link",
                              "/etc/systemd/network/*.netdev",
                              "/etc/systemd/network/*.d/*.conf",
                              "/etc/NetworkManager/system-connections/*",
                              "/etc/NetworkManager/conf.d/*.conf",
                              "/etc/NetworkManager/NetworkManager.conf",
                              "/etc/sysconfig/network-scripts/ifcfg-*",
                              "/etc/sysconfig/network/ifcfg-*",
                              "/etc/network/interfaces",
                              "/etc/network/interfaces.d/*",
                              "/etc/conf.d/net",
                              "/etc/netctl/*",
                              "/etc/udev/rules.d/*.rules",
                              "/etc/iftab",
                              "/etc/mactab",
                              "/etc/dhcp/dhclient*.conf",
                              "/etc/dhclient*.conf",
                              "/etc/dhcpcd.conf"})
    for (const auto& name : rewrite.guest().glob(pattern)) {
      const Entry entry = rewrite.guest().look(name);
      if (entry.kind != Entry::Kind::file || rewrite.is_done(entry.path) || rewrite.is_done(entry.own)) continue;
      const std::string path = entry.path;
      const auto now = rewrite.text(path);
      if (!now) continue;
      std::string text = *now;
      std::size_t count = 0;
      for (std::size_t i = 0; i < rewrite.source().macs.size(); ++i) {
        std::string address = rewrite.source().macs[i];
        if (address.empty()) continue;
        const std::string variable = "mac" + std::to_string(i);
        count += replace_address(text, address, "{" + variable + "}");
        std::ranges::replace(address, ':', '-');
        count += replace_address(text, address, "{" + variable + "-dashed}");
      }
      if (count > 0) rewrite.write(path, text, now->size());  // one address is as long as another
    }
}

void dhcp_leases(Rewrite& rewrite) {
  // dhclient, NetworkManager, systemd-networkd, dhcpcd, wicked, dhcp6c.
  for (const char* pattern :
       {"/var/lib/dhcp/*lease*", "/var/lib/dhcp3/*lease*", "/var/lib/dhclient/*lease*",
        "/var/lib/NetworkManager/*.lease", "/var/lib/NetworkManager/timestamps", "/var/lib/systemd/network/*",
        "/var/lib/dhcpcd/*.lease*", "/var/lib/dhcpcd/duid", "/var/db/dhcpcd/*", "/etc/dhcpcd.duid",
        "/var/lib/wicked/duid.xml", "/var/lib/wicked/iaid.xml", "/var/lib/wicked/lease-*", "/var/lib/dhcpv6/*duid"})
    for (const auto& name : rewrite.guest().glob(pattern))
      if (rewrite.guest().look(name).kind != Entry::Kind::folder) rewrite.remove(name);
  // From these, clients make addresses and ids of their own.
  for (const char* name : {"/var/lib/NetworkManager/secret_key", "/var/lib/dhcpcd/secret", "/etc/dhcpcd.secret"})
    rewrite.remove_secret(name);
}

}  // namespace anyvisor::identity
