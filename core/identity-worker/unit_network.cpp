// SPDX-License-Identifier: MIT
// What ties a system to its network cards and its place in the network.
#include <algorithm>
#include <cctype>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t address_length = 17;  // of a MAC address as text

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_hexadecimal(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

bool in_word(const std::string& text, std::size_t at) {
  return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
}

// A MAC address in a longer row of numbers (an InfiniBand address, a DUID) is none; a DHCP client id is one with 01
// before it. "mac:" is no number.
bool stands_alone(const std::string& text, std::size_t at, std::size_t length) {
  constexpr std::size_t number = 3;  // two digits and a separator
  const std::size_t end = at + length;
  const char separator = text[at + 2];
  const bool follows = at >= number && text[at - 1] == separator && is_hexadecimal(text[at - 2]) &&
                       is_hexadecimal(text[at - 3]) && !in_word(text, at - number - 1);
  const bool client_id =
      follows && text.compare(at - number, 2, "01") == 0 && (at == number || text[at - number - 1] != separator);
  const bool goes_on = end + 2 < text.size() && text[end] == separator && is_hexadecimal(text[end + 1]) &&
                       is_hexadecimal(text[end + 2]) && !in_word(text, end + number);
  return !in_word(text, at - 1) && !in_word(text, end) && (!follows || client_id) && !goes_on;
}

std::size_t replace_address(std::string& text, const std::string& address, const std::string& variable) {
  std::size_t count = 0;
  std::string seen = lower(text);
  for (auto at = seen.find(address); at != std::string::npos; at = seen.find(address, at)) {
    if (!stands_alone(seen, at, address.size())) {
      at += address.size();
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
        if (address.size() != address_length) continue;
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
