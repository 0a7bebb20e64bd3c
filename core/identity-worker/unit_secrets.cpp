// SPDX-License-Identifier: MIT
// Randomness: what must never be the same twice.
#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {

void random_seeds(Rewrite& rewrite) {
  // systemd; sysvinit (Debian, RHEL), OpenRC and SUSE; OpenRC's seedrng; the boot loader's on the ESP.
  for (const char* name : {"/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
                           "/var/lib/urandom/random-seed", "/var/lib/random-seed", "/var/lib/misc/random-seed",
                           "/var/lib/seedrng/seed.credit", "/var/lib/seedrng/seed.no-credit",
                           "/boot/efi/loader/random-seed", "/efi/loader/random-seed", "/boot/loader/random-seed"})
    rewrite.remove_secret(name);
}

}  // namespace anyvisor::identity
