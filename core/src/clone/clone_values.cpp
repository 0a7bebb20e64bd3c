// SPDX-License-Identifier: MIT
#include "clone/clone_values.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "instance/identifier.hpp"

namespace anyvisor {
namespace {

// `count` letters of `alphabet`, at random.
Result<std::string> random_text(std::size_t count, std::string_view alphabet) {
  std::array<unsigned char, 64> bytes{};
  if (count > bytes.size() || ::getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count))
    return fail(ErrorKind::internal, "there are no random numbers");
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += alphabet[bytes[i] % alphabet.size()];
  return text;
}

std::string variable_of(KeyType type) {
  return "ssh-" + std::string(short_name(type));
}

}  // namespace

Result<std::vector<SshKey>> make_missing_keys(GuestIdentity& identity, const std::vector<Slot>& slots) {
  std::vector<SshKey> fillers;
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa_p256, KeyType::rsa_3072}) {
    if (std::ranges::find(identity.host_keys, type, &SshKey::type) != identity.host_keys.end()) continue;
    if (std::ranges::none_of(slots, [&](const Slot& slot) {
          return slot.text.find("{" + variable_of(type) + "-") != std::string::npos;
        }))
      continue;
    const bool by_user = identity.user_data.host_keys.contains(std::string(short_name(type)));
    ANYVISOR_TRY(SshKey key, make_ssh_key(type));
    (by_user ? fillers : identity.host_keys).push_back(std::move(key));
  }
  return fillers;
}

Result<std::map<std::string, std::string>> make_values(const CloneValues& given, const std::vector<SshKey>& keys,
                                                       const std::vector<SshKey>& more_keys) {
  // Alphabets of 16 and 64: as many letters as divide 256, so that each is as likely as the other.
  constexpr std::string_view hex = "0123456789abcdef";
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr std::size_t machine_id_length = 32, initiator_length = 12, host_id_length = 4;
  std::map<std::string, std::string> values{{"hostname", given.hostname}, {"nvme-uuid", new_random_uuid()}};
  ANYVISOR_TRY(values["machine-id"], random_text(machine_id_length, hex));
  ANYVISOR_TRY(values["iscsi-suffix"], random_text(initiator_length, hex));
  ANYVISOR_TRY(values["host-id"], random_text(host_id_length, letters));
  for (std::size_t i = 0; i < given.macs.size(); ++i) {
    const std::string name = "mac" + std::to_string(i);
    values[name] = values[name + "-dashed"] = given.macs[i];
    std::ranges::replace(values[name + "-dashed"], ':', '-');
  }
  for (const auto* list : {&keys, &more_keys})
    for (const auto& key : *list) {
      values[variable_of(key.type) + "-private"] = key.private_key;
      values[variable_of(key.type) + "-public"] = key.public_key;
    }
  return values;
}

}  // namespace anyvisor
