// SPDX-License-Identifier: MIT
// All documents but the person's are JSON, which is YAML too.
#include "identity/cloud_config.hpp"

#include "document/json.hpp"

namespace anyvisor {
namespace {

constexpr const char* first_line = "#cloud-config\n";

std::string meta_data(const GuestIdentity& identity, const std::string& hostname) {
  auto document = json::make_object();
  // A new id is a first boot; it stays the same at every start.
  json::set(document, document, "instance-id", identity.id);
  json::set(document, document, "local-hostname", hostname);
  json::set(document, document, "public-keys", std::vector<std::string>{identity.authorized_key});
  return json::render_pretty(document);
}

std::string vendor_data(const GuestIdentity& identity) {
  auto document = json::make_object();
  json::Value user(rapidjson::kObjectType);
  json::set(document, user, "name", identity.user);
  json::set(document, user, "ssh_authorized_keys", std::vector<std::string>{identity.authorized_key});
  // Images give their default user this themselves; one that has none gets a user who can do something.
  if (identity.user == usual_user) json::set(document, user, "sudo", "ALL=(ALL) NOPASSWD:ALL");
  json::set_value(document, document, "user", std::move(user));
  // With keys given, cloud-init removes those that the image may hold and makes none of its own.
  json::Value keys(rapidjson::kObjectType);
  for (const auto& key : identity.host_keys) {
    const std::string type(short_name(key.type));
    json::set(document, keys, (type + "_private").c_str(), key.private_key);
    json::set(document, keys, (type + "_public").c_str(), key.public_key + "\n");
  }
  if (!keys.ObjectEmpty()) json::set_value(document, document, "ssh_keys", std::move(keys));
  return first_line + json::render_pretty(document);
}

std::string network_config(const std::vector<std::string>& macs) {
  auto document = json::make_object();
  if (macs.empty()) {
    json::set(document, document, "config", "disabled");
    return json::render_pretty(document);
  }
  json::set(document, document, "version", 2);
  json::Value ethernets(rapidjson::kObjectType);
  for (std::size_t i = 0; i < macs.size(); ++i) {
    // A name too: of cloud-init's renderers only netplan's goes by the MAC alone.
    const std::string name = "eth" + std::to_string(i);
    json::Value match(rapidjson::kObjectType);
    json::set(document, match, "macaddress", macs[i]);
    json::Value nic(rapidjson::kObjectType);
    json::set_value(document, nic, "match", std::move(match));
    json::set(document, nic, "set-name", name);
    json::set(document, nic, "dhcp4", true);
    json::set_value(document, ethernets, name.c_str(), std::move(nic));
  }
  json::set_value(document, document, "ethernets", std::move(ethernets));
  return json::render_pretty(document);
}

}  // namespace

Result<GuestIdentity> make_identity(std::string id, const std::string& image_user, std::string authorized_key,
                                    UserData user_data) {
  GuestIdentity identity;
  identity.id = std::move(id);
  identity.user = !user_data.user.empty() ? user_data.user : !image_user.empty() ? image_user : usual_user;
  identity.authorized_key = std::move(authorized_key);
  identity.user_data = std::move(user_data);
  for (const KeyType type : usual_key_types) {
    if (identity.user_data.host_keys.contains(std::string(short_name(type)))) continue;
    ANYVISOR_TRY(SshKey key, make_ssh_key(type));
    identity.host_keys.push_back(std::move(key));
  }
  return identity;
}

std::string known_hosts_lines(const GuestIdentity& identity, const std::string& alias) {
  std::string lines;
  for (const auto& key : identity.host_keys) lines += alias + " " + key.public_key + "\n";
  for (const auto& [type, line] : identity.user_data.host_keys) lines += alias + " " + line + "\n";
  return lines;
}

std::vector<std::pair<std::string, std::string>> seed_files(const GuestIdentity& identity, const std::string& hostname,
                                                            const std::vector<std::string>& macs) {
  return {{"meta-data", meta_data(identity, hostname)},
          {"user-data", identity.user_data.text},  // empty: the file has to be there, and says nothing
          {"vendor-data", vendor_data(identity)},
          {"network-config", network_config(macs)}};
}

}  // namespace anyvisor
