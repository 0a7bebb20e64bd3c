// SPDX-License-Identifier: MIT
#include "identity/home_key.hpp"

#include <unistd.h>

#include <sstream>

#include "identity/ssh_key.hpp"
#include "storage/atomic_file.hpp"
#include "storage/fd.hpp"
#include "storage/lock.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds key_patience{10000};
constexpr const char* private_name = "id_ed25519";
constexpr const char* public_name = "id_ed25519.pub";
constexpr std::size_t largest_key = 64u << 10;

// Type and key of what stands in a .pub file, without its comment; empty when that is no key.
std::string key_of(const std::string& text) {
  std::istringstream words(text);
  std::string type, key;
  words >> type >> key;
  return type.empty() || key.empty() ? std::string() : type + " " + key;
}

// [under the lock]
Result<std::string> make_or_mend(const Home& home) {
  ANYVISOR_CHECK(remove_stale_temporaries(home.ssh(), "identity.stale"));
  std::string line;
  auto kept = read_file(home.ssh_key(), largest_key);
  if (kept) {
    auto derived = public_line_of(*kept);
    if (!derived) {
      Error error = std::move(derived).error();
      error.hint = "move it away: a new one is made, and guests that know the old one are reached no more";
      return in_context("cannot use \"" + home.ssh_key() + "\"", std::move(error));
    }
    line = std::move(*derived);
  } else if (kept.error().kind == ErrorKind::not_found) {
    ANYVISOR_TRY(const SshKey key, make_ssh_key(KeyType::ed25519));
    ANYVISOR_CHECK(write_file_atomically(home.ssh(), private_name, key.private_key, "identity.private-key"));
    line = key.public_key;
  } else {
    return tl::unexpected(std::move(kept).error());
  }
  ANYVISOR_CHECK(write_file_atomically(home.ssh(), public_name, line + "\n", "identity.public-key"));
  return line;
}

}  // namespace

Result<std::string> home_public_key(const Home& home) {
  const auto ready = [&]() -> std::string {
    if (::access(home.ssh_key().c_str(), R_OK) != 0) return {};
    auto text = read_file(home.ssh_key() + ".pub", largest_key);
    return text ? key_of(*text) : std::string();
  };
  if (std::string line = ready(); !line.empty()) return line;
  ANYVISOR_CHECK(make_folder_durably(home.ssh(), "identity.ssh-folder"));
  ANYVISOR_TRY(const FileLock lock, FileLock::acquire(home.ssh() + "/lock", FileLock::Mode::exclusive, key_patience,
                                                      "the home folder's ssh key"));
  if (std::string line = ready(); !line.empty()) return line;
  return make_or_mend(home);
}

}  // namespace anyvisor
