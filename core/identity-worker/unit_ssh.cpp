// SPDX-License-Identifier: MIT
// The ssh server's host keys, wherever it has them.
#include <algorithm>
#include <set>
#include <sstream>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

// OpenSSH's own format without passphrase and comment. ECDSA has two lengths: the longer one.
// An RSA key's depends on how its numbers begin.
struct KeyKind {
  std::string_view type;  // in a public key's line
  std::string_view name;  // in a file's name
  std::size_t private_length, public_length;
};
constexpr KeyKind ed25519{"ssh-ed25519", "ed25519", 387, 81};
constexpr KeyKind ecdsa{"ecdsa-sha2-nistp256", "ecdsa", 492, 161};
constexpr KeyKind rsa{"ssh-rsa", "rsa", 2656, 553};

struct HostKey {
  std::string name;  // of the private half's file
  const KeyKind* kind;
};

// What the server's settings name; empty: they leave it to the usual names.
std::set<std::string> named_keys(Guest& guest) {
  std::set<std::string> names;
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

// By its public half; by its name where there is none that says it. nullptr: DSA and the like.
const KeyKind* kind_of(Guest& guest, const std::string& name) {
  const Entry half = guest.look(name + ".pub");
  std::string type;
  if (half.kind == Entry::Kind::file) std::istringstream(guest.read(half.path).value_or("")) >> type;
  for (const auto* kind : {&ed25519, &ecdsa, &rsa})
    if (kind->type == type || (kind == &ecdsa && type.starts_with("ecdsa-"))) return kind;
  if (type.starts_with("ssh-") || type.starts_with("sk-")) return nullptr;
  for (const auto* kind : {&ed25519, &ecdsa, &rsa})
    if (name.ends_with("_" + std::string(kind->name) + "_key")) return kind;
  return nullptr;
}

}  // namespace

void ssh_host_keys(Rewrite& rewrite) {
  Guest& guest = rewrite.guest();
  const auto named = named_keys(guest);
  std::set<std::string> names = named;
  for (const auto& name : guest.glob("/etc/ssh/ssh_host_*"))
    if (!name.ends_with(".pub")) names.insert(name);
  std::vector<HostKey> keys;
  for (const auto& name : names)
    if (guest.exists(name)) keys.push_back({name, kind_of(guest, name)});
  // RSA keys take long to make, and a server does without them, unless it has no other.
  const bool only_rsa = std::ranges::none_of(keys, [&](const HostKey& key) {
    return (named.empty() || named.contains(key.name)) && (key.kind == &ed25519 || key.kind == &ecdsa);
  });
  for (const auto& [name, kind] : keys) {
    if (!kind || (kind == &rsa && !only_rsa)) {
      rewrite.remove_secret(name);
      rewrite.remove_secret(name + ".pub");
    } else {
      const std::string variable = "{ssh-" + std::string(kind->name);
      if (const std::string path = rewrite.file(name); !path.empty())
        rewrite.write(path, variable + "-private}", kind->private_length);
      if (const std::string path = rewrite.file(name + ".pub"); !path.empty())
        rewrite.write(path, variable + "-public}\n", kind->public_length);
    }
    rewrite.remove(name + "-cert.pub");  // of a key that is gone
  }
  // Public halves and certificates without a private one.
  for (const auto& name : guest.glob("/etc/ssh/ssh_host_*.pub"))
    if (const Entry entry = guest.look(name); !rewrite.is_done(entry.own) && !rewrite.is_done(entry.path))
      rewrite.remove(name);
}

}  // namespace anyvisor::identity
