// SPDX-License-Identifier: MIT
// Ids in files of their own.
#include <algorithm>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t machine_id_length = 33;  // 32 hexadecimal digits and a newline
constexpr std::size_t uuid_length = 36;

bool is_hex(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

void machine_id(Rewrite& rewrite) {
  for (const std::string path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    if (!rewrite.guest().exists(path)) continue;
    if (!rewrite.guest().is_file(path)) {
      rewrite.keep(path, "a link: it follows the file that it names");
      continue;
    }
    const std::string now = rewrite.guest().read(path);
    if (now.size() >= 32 && is_hex(now.substr(0, 32)))
      rewrite.write(path, "{machine-id}\n", machine_id_length);
    else
      rewrite.keep(path, "it holds no id yet: the guest makes one at its boot");
  }
}

void iscsi_initiator(Rewrite& rewrite) {
  const std::string path = "/etc/iscsi/initiatorname.iscsi";
  if (!rewrite.guest().is_file(path)) return;
  std::string text = rewrite.guest().read(path);
  const std::string label = "InitiatorName=";
  auto at = text.starts_with(label) ? 0 : text.find("\n" + label);
  if (at == std::string::npos) return rewrite.keep(path, "it names no initiator");
  at = text.find(label, at) + label.size();
  const auto end = std::min(text.find('\n', at), text.size());
  // iqn.1993-08.org.debian:01:6d4e...: what follows the last colon is the machine's own part.
  const auto colon = text.rfind(':', end == 0 ? 0 : end - 1);
  if (colon == std::string::npos || colon < at)
    return rewrite.keep(path, "its initiator's name has no part of its own");
  const std::string variable = "{iscsi-suffix}";
  constexpr std::size_t suffix_length = 12;
  const std::size_t length = text.size() - (end - colon - 1) + suffix_length;
  text.replace(colon + 1, end - colon - 1, variable);
  rewrite.write(path, text.ends_with('\n') ? text : text + "\n", text.ends_with('\n') ? length : length + 1);
}

void nvme_host(Rewrite& rewrite) {
  const std::string prefix = "nqn.2014-08.org.nvmexpress:uuid:";
  if (rewrite.guest().is_file("/etc/nvme/hostnqn"))
    rewrite.write("/etc/nvme/hostnqn", prefix + "{nvme-uuid}\n", prefix.size() + uuid_length + 1);
  if (rewrite.guest().is_file("/etc/nvme/hostid")) rewrite.write("/etc/nvme/hostid", "{nvme-uuid}\n", uuid_length + 1);
}

void host_id(Rewrite& rewrite) {
  // Four bytes, any: gethostid() answers them.
  if (rewrite.guest().is_file("/etc/hostid")) rewrite.write("/etc/hostid", "{host-id}", 4);
}

}  // namespace anyvisor::identity
