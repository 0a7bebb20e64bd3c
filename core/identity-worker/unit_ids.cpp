// SPDX-License-Identifier: MIT
// Ids in files of their own.
#include <algorithm>
#include <cctype>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t machine_id_length = 33;  // 32 hexadecimal digits and a newline
constexpr std::size_t machine_id_digits = 32;
constexpr std::size_t uuid_length = 36;

// The digits at the beginning of a machine id's file; systemd reads a UUID's dashes as well. Empty: there is no id.
std::string machine_id_in(const std::string& text) {
  std::string digits;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0)
      digits += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c != '-')
      break;
  }
  return digits.size() == machine_id_digits ? digits : "";
}

// What names follow, with the machine id in them, before it changes.
std::string machine_id_now(Rewrite& rewrite) {
  const Entry entry = rewrite.guest().look("/etc/machine-id");
  if (entry.kind != Entry::Kind::file) return {};
  return machine_id_in(rewrite.guest().read(entry.path).value_or(""));
}

}  // namespace

void boot_entries(Rewrite& rewrite) {
  const std::string id = machine_id_now(rewrite);
  if (id.empty()) return;
  std::string found;
  for (const std::string root : {"/boot", "/efi", "/boot/efi"})
    for (const auto& pattern : {root + "/loader/entries/" + id + "-*.conf", root + "/" + id})
      if (const auto names = rewrite.guest().glob(pattern); found.empty() && !names.empty()) found = names.front();
  if (found.empty()) return;
  const std::string token = "/etc/kernel/entry-token";
  if (rewrite.guest().exists(token)) return rewrite.keep(found, "boot entries are named by " + token);
  rewrite.create(token, id + "\n", "boot entries keep their names: they have the machine id of the source in them");
}

void journal(Rewrite& rewrite) {
  const std::string id = machine_id_now(rewrite), path = "/var/log/journal/" + id;
  if (!id.empty() && rewrite.guest().exists(path))
    rewrite.keep(path, "the source's journal: journalctl --merge shows it");
}

void machine_id(Rewrite& rewrite) {
  for (const char* name : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    const std::string path = rewrite.file(name);
    if (path.empty()) continue;
    const auto text = rewrite.text(path);
    if (!text) continue;
    if (machine_id_in(*text).empty())
      rewrite.keep(path, "it holds no id: the guest makes one at its boot");
    else
      rewrite.write(path, "{machine-id}\n", machine_id_length);
  }
}

void iscsi_initiator(Rewrite& rewrite) {
  const std::string path = rewrite.file("/etc/iscsi/initiatorname.iscsi");
  if (path.empty()) return;
  const auto now = rewrite.text(path);
  if (!now) return;
  std::string text = *now;
  const std::string label = "InitiatorName=";
  auto at = text.starts_with(label) ? 0 : text.find("\n" + label);
  if (at == std::string::npos) return rewrite.keep(path, "it names no initiator");
  at = text.find(label, at) + label.size();
  auto end = std::min(text.find('\n', at), text.size());
  while (end > at && std::isspace(static_cast<unsigned char>(text[end - 1])) != 0) --end;
  // iqn.1993-08.org.debian:01:6d4e...: what follows the last colon is the machine's own part.
  const auto colon = text.substr(0, end).rfind(':');
  if (colon == std::string::npos || colon < at)
    return rewrite.keep(path, "its initiator's name has no part of its own");
  constexpr std::size_t suffix_length = 12;
  std::size_t length = text.size() - (end - colon - 1) + suffix_length;
  text.replace(colon + 1, end - colon - 1, "{iscsi-suffix}");
  if (!text.ends_with('\n')) {
    text += '\n';
    ++length;
  }
  rewrite.write(path, text, length);
}

void nvme_host(Rewrite& rewrite) {
  const std::string prefix = "nqn.2014-08.org.nvmexpress:uuid:";
  const std::pair<const char*, std::string> files[] = {{"/etc/nvme/hostnqn", prefix}, {"/etc/nvme/hostid", ""}};
  for (const auto& [name, begin] : files) {
    const std::string path = rewrite.file(name);
    if (path.empty()) continue;
    const auto text = rewrite.text(path);
    if (!text) continue;
    if (text->find_first_not_of(" \t\r\n") == std::string::npos)
      rewrite.keep(path, "it is empty");
    else
      rewrite.write(path, begin + "{nvme-uuid}\n", begin.size() + uuid_length + 1);
  }
}

void host_id(Rewrite& rewrite) {
  const std::string path = rewrite.file("/etc/hostid");
  if (path.empty()) return;
  // Four bytes, any: gethostid() answers them.
  constexpr std::size_t length = 4;
  const auto now = rewrite.guest().read(path);
  if (!now || now->size() < length) return rewrite.keep(path, "it is no host id: it has to be of 4 bytes");
  rewrite.write(path, "{host-id}", length);
}

void volume_groups(Rewrite& rewrite) {
  for (const auto& group : rewrite.guest().volume_groups())
    rewrite.keep("/dev/" + group, "UUIDs of LVM stay: files such as /etc/lvm/devices/system.devices name them");
}

}  // namespace anyvisor::identity
