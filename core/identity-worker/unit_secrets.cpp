// SPDX-License-Identifier: MIT
// Randomness and keys: what must never be the same twice.
#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

// OpenSSH's own format without passphrase and comment. ECDSA has two lengths: the longer one.
constexpr std::size_t ed25519_private_length = 387, ed25519_public_length = 81;
constexpr std::size_t ecdsa_private_length = 492, ecdsa_public_length = 161;

}  // namespace

void random_seeds(Rewrite& rewrite) {
  for (const char* path :
       {"/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/var/lib/urandom/random-seed",
        "/var/lib/random-seed", "/var/lib/seedrng/seed.credit", "/var/lib/seedrng/seed.no-credit",
        "/boot/efi/loader/random-seed", "/efi/loader/random-seed", "/boot/loader/random-seed"})
    if (rewrite.guest().exists(path)) rewrite.remove(path);
}

void ssh_host_keys(Rewrite& rewrite) {
  const std::string begin = "/etc/ssh/ssh_host_";
  for (const auto& path : rewrite.guest().glob(begin + "*")) {
    if (!rewrite.guest().is_file(path)) {
      rewrite.keep(path, "it is no regular file");
      continue;
    }
    if (path == begin + "ed25519_key")
      rewrite.write(path, "{ssh-ed25519-private}", ed25519_private_length);
    else if (path == begin + "ed25519_key.pub")
      rewrite.write(path, "{ssh-ed25519-public}\n", ed25519_public_length);
    else if (path == begin + "ecdsa_key")
      rewrite.write(path, "{ssh-ecdsa-private}", ecdsa_private_length);
    else if (path == begin + "ecdsa_key.pub")
      rewrite.write(path, "{ssh-ecdsa-public}\n", ecdsa_public_length);
    else
      rewrite.remove(path);  // RSA, DSA, certificates of keys that are gone: sshd does without them
  }
}

}  // namespace anyvisor::identity
