// SPDX-License-Identifier: MIT
// The ssh server's host keys, wherever it has them.
#include <array>
#include <set>
#include <sstream>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

// OpenSSH's own format without passphrase and comment. ECDSA has two lengths: the longer one.
struct KeyKind {
  std::string_view type;  // in a public key's line
  std::string_view name;  // in a file's name
  std::string variable;
  std::size_t private_length, public_length;
};
const std::array<KeyKind, 2>& kinds() {
  static const std::array<KeyKind, 2> all{KeyKind{"ssh-ed25519", "ed25519", "ssh-ed25519", 387, 81},
                                          KeyKind{"ecdsa-sha2-nistp256", "ecdsa", "ssh-ecdsa", 492, 161}};
  return all;
}

// Private keys: those with the usual name, and those that the server's settings name.
std::set<std::string> private_keys(Guest& guest) {
  std::set<std::string> names;
  for (const auto& name : guest.glob("/etc/ssh/ssh_host_*"))
    if (!name.ends_with(".pub")) names.insert(name);
  auto settings = guest.glob("/etc/ssh/sshd_config.d/*.conf");
  settings.emplace_back("/etc/ssh/sshd_config");
  for (const auto& name : settings) {
    const Entry entry = guest.look(name);
    if (entry.kind != Entry::Kind::file) continue;
    std::istringstream lines(guest.read(entry.path).value_or(""));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string word, path;
      if (words >> word >> path && (word == "HostKey" || word == "hostkey") && path.starts_with('/'))
        names.insert(path);
    }
  }
  return names;
}

// By its public half; by its name where there is none that says it.
const KeyKind* kind_of(Guest& guest, const std::string& name) {
  const Entry half = guest.look(name + ".pub");
  std::string type;
  if (half.kind == Entry::Kind::file) std::istringstream(guest.read(half.path).value_or("")) >> type;
  for (const auto& kind : kinds())
    if (kind.type == type) return &kind;
  if (!type.empty() && (type.starts_with("ssh-") || type.starts_with("ecdsa-") || type.starts_with("sk-")))
    return nullptr;
  for (const auto& kind : kinds())
    if (name.ends_with("_" + std::string(kind.name) + "_key")) return &kind;
  return nullptr;
}

}  // namespace

void ssh_host_keys(Rewrite& rewrite) {
  Guest& guest = rewrite.guest();
  for (const auto& name : private_keys(guest)) {
    const KeyKind* kind = kind_of(guest, name);
    if (!kind) {
      rewrite.remove_secret(name);  // RSA, DSA: sshd does without them
      rewrite.remove_secret(name + ".pub");
    } else {
      if (const std::string path = rewrite.file(name); !path.empty())
        rewrite.write(path, "{" + kind->variable + "-private}", kind->private_length);
      if (const std::string path = rewrite.file(name + ".pub"); !path.empty())
        rewrite.write(path, "{" + kind->variable + "-public}\n", kind->public_length);
    }
    rewrite.remove(name + "-cert.pub");  // of a key that is gone
  }
  // Public halves and certificates without a private one.
  for (const auto& name : guest.glob("/etc/ssh/ssh_host_*.pub"))
    if (const Entry entry = guest.look(name); !rewrite.is_done(entry.own) && !rewrite.is_done(entry.path))
      rewrite.remove(name);
}

}  // namespace anyvisor::identity
