// SPDX-License-Identifier: MIT
#include "instance/launch_identity.hpp"

#include <algorithm>

#include "identity/home_key.hpp"

namespace anyvisor {
namespace {

constexpr std::uint16_t ssh_port = 22;

void publish_ssh(InstanceRecord& record) {
  const auto leads_to_ssh = [](const PublishedPort& port) {
    return port.guest_port == ssh_port && port.protocol == "tcp";
  };
  for (const auto& network : record.networks)
    if (std::ranges::any_of(network.publish, leads_to_ssh)) return;
  const auto usual = std::ranges::find(record.networks, NetworkRequest{}.plugin, &NetworkRecord::plugin);
  if (usual == record.networks.end()) return;
  PublishedPort port;
  port.guest_port = ssh_port;
  usual->publish.push_back(port);
}

}  // namespace

Result<std::optional<GuestIdentity>> choose_identity(const Workspace& workspace, const ImageRecord& image,
                                                     UserData user_data, InstanceRecord& record) {
  if (!image.cloud_init && user_data.text.empty()) return std::nullopt;
  if (!image.user.empty() && !is_user_name(image.user))
    return fail(ErrorKind::invalid_argument,
                "image \"" + image.name + "\" names the user \"" + image.user + "\", which nobody can log in as",
                "import it again with another --user", "/image");
  ANYVISOR_TRY(std::string key, home_public_key(workspace.home));
  ANYVISOR_TRY(GuestIdentity identity, make_identity(record.id, image.user, std::move(key), std::move(user_data)));
  record.user = identity.user;
  record.has_seed = true;
  record.ssh_over_vsock = image.ssh_over_vsock;
  publish_ssh(record);
  return std::optional<GuestIdentity>(std::move(identity));
}

Result<void> stage_identity(const GuestIdentity& identity, StagedFolder& staged) {
  if (!identity.user_data.text.empty()) ANYVISOR_CHECK(staged.write("user-data", identity.user_data.text));
  return staged.write("known_hosts", known_hosts_lines(identity, Home::host_key_alias(identity.id)));
}

Result<void> write_seed(const GuestIdentity& identity, const InstanceRecord& record, MachineControl& machine,
                        Operation& operation) {
  std::vector<std::string> macs;
  for (const auto& network : record.networks) macs.push_back(network.mac);
  return machine.write_seed(seed_files(identity, record.name, macs), operation);
}

}  // namespace anyvisor
