// SPDX-License-Identifier: MIT
// ssh key pairs, made in this process: no two guests draw theirs from one pool, and the host knows a guest's keys
// before its first boot.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "anyvisor/result.hpp"

namespace anyvisor {

enum class KeyType { ed25519, ecdsa_p256, rsa_3072 };  // RSA takes a third of a second to make
// Of which every guest has one as its host key.
inline constexpr std::array usual_key_types{KeyType::ed25519, KeyType::ecdsa_p256};

// "ed25519", "ecdsa" and "rsa": as in cloud-init's ssh_keys and in names such as ssh_host_ed25519_key.
std::string_view short_name(KeyType type);

// One key pair. Its private half is wiped from memory with it; copies that others make are theirs.
struct SshKey {
  SshKey() = default;
  SshKey(SshKey&&) = default;
  SshKey& operator=(SshKey&&) = default;
  SshKey(const SshKey&) = delete;
  SshKey& operator=(const SshKey&) = delete;
  ~SshKey();

  KeyType type = KeyType::ed25519;
  std::string private_key;  // "openssh-key-v1" in its armour, without passphrase and comment; ends with a newline.
                            // ed25519: 387 bytes; ECDSA: 480, or 492 when the number's first bit is set; RSA: 2562 to
                            // 2602, by how its numbers begin
  std::string public_key;   // one line without comment and newline: "ssh-ed25519 AAAA..."; 80 bytes, ECDSA 160, RSA 552
};

// A new pair. Errors: internal (OpenSSL has no randomness, or lacks the algorithm). [any thread]
Result<SshKey> make_ssh_key(KeyType type);

// The public line of a private key as OpenSSH writes it, of any type. Errors: corrupted; unsupported (it has a
// passphrase, or an older format). [any thread]
Result<std::string> public_line_of(std::string_view private_key);

}  // namespace anyvisor
