// SPDX-License-Identifier: MIT
// The seed's files, read back as cloud-init would: as YAML.
#include "identity/cloud_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <map>

namespace anyvisor {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string id = "01890000-0000-7000-8000-000000000001";

GuestIdentity identity_for(const std::string& image_user, const std::string& user_data = "") {
  UserData data;
  if (!user_data.empty()) data = read_user_data(user_data).value();
  return make_identity(id, image_user, "ssh-ed25519 AAAAhome", std::move(data)).value();
}

std::map<std::string, std::string> files_of(const GuestIdentity& identity, const std::vector<std::string>& macs) {
  const auto files = seed_files(identity, "web", macs);
  return {files.begin(), files.end()};
}

TEST(CloudConfig, BringsIdentityUserAndKeys) {
  const auto identity = identity_for("debian");
  EXPECT_EQ(identity.user, "debian");
  ASSERT_EQ(identity.host_keys.size(), 2u);
  auto files = files_of(identity, {"52:54:00:00:00:01", "52:54:00:00:00:02"});
  EXPECT_EQ(files.size(), 4u);

  const auto meta = YAML::Load(files["meta-data"]);
  EXPECT_EQ(meta["instance-id"].as<std::string>(), id);
  EXPECT_EQ(meta["local-hostname"].as<std::string>(), "web");
  EXPECT_EQ(meta["public-keys"][0].as<std::string>(), "ssh-ed25519 AAAAhome");

  EXPECT_EQ(files["user-data"], "") << "an empty #cloud-config makes cloud-init warn";
  EXPECT_THAT(files["vendor-data"], StartsWith("#cloud-config\n"));
  const auto vendor = YAML::Load(files["vendor-data"]);
  EXPECT_EQ(vendor["user"]["name"].as<std::string>(), "debian");
  EXPECT_FALSE(vendor["user"]["sudo"].IsDefined()) << "the image knows what its user may";
  EXPECT_EQ(vendor["user"]["ssh_authorized_keys"][0].as<std::string>(), "ssh-ed25519 AAAAhome");
  EXPECT_EQ(vendor["ssh_keys"].size(), 4u);
  EXPECT_EQ(vendor["ssh_keys"]["ed25519_private"].as<std::string>(), identity.host_keys[0].private_key);
  EXPECT_EQ(vendor["ssh_keys"]["ecdsa_public"].as<std::string>(), identity.host_keys[1].public_key + "\n");
  for (const char* left_alone : {"manage_etc_hosts", "growpart", "resize_rootfs", "users"})
    EXPECT_FALSE(vendor[left_alone].IsDefined()) << left_alone;

  const auto network = YAML::Load(files["network-config"]);
  EXPECT_EQ(network["version"].as<int>(), 2);
  EXPECT_EQ(network["ethernets"].size(), 2u);
  EXPECT_EQ(network["ethernets"]["eth1"]["match"]["macaddress"].as<std::string>(), "52:54:00:00:00:02");
  EXPECT_EQ(network["ethernets"]["eth1"]["set-name"].as<std::string>(), "eth1");
  EXPECT_TRUE(network["ethernets"]["eth0"]["dhcp4"].as<bool>());

  EXPECT_EQ(known_hosts_lines(identity, "anyvisor-x"), "anyvisor-x " + identity.host_keys[0].public_key +
                                                           "\nanyvisor-x " + identity.host_keys[1].public_key + "\n");
}

TEST(CloudConfig, WithoutANetworkNothingIsWaitedFor) {
  auto files = files_of(identity_for("debian"), {});
  EXPECT_EQ(YAML::Load(files["network-config"])["config"].as<std::string>(), "disabled");
}

TEST(CloudConfig, AnImageWithoutAUserGetsOne) {
  const auto identity = identity_for("");
  EXPECT_EQ(identity.user, "anyvisor");
  const auto vendor = YAML::Load(files_of(identity, {})["vendor-data"]);
  EXPECT_EQ(vendor["user"]["name"].as<std::string>(), "anyvisor");
  EXPECT_THAT(vendor["user"]["sudo"].as<std::string>(), HasSubstr("NOPASSWD"));
}

TEST(CloudConfig, UserDataGoesAsItIs) {
  const std::string text = "#cloud-config\n# a comment\nusers: [{name: bob}]\npermissions: \"0644\"\n";
  auto files = files_of(identity_for("debian", text), {});
  EXPECT_EQ(files["user-data"], text);
  EXPECT_EQ(YAML::Load(files["vendor-data"])["user"]["name"].as<std::string>(), "debian");
  const std::string script = "#!/bin/sh\necho hello\n";
  EXPECT_EQ(files_of(identity_for("debian", script), {})["user-data"], script);
}

TEST(CloudConfig, UserDataMayNameTheUserAndBringHostKeys) {
  const auto identity = identity_for(
      "debian",
      "#cloud-config\nuser: bob\nssh_keys: {ed25519_private: x, ed25519_public: ssh-ed25519 AAAAtheirs me}\n");
  EXPECT_EQ(identity.user, "bob");
  ASSERT_EQ(identity.host_keys.size(), 1u);
  EXPECT_EQ(identity.host_keys[0].type, KeyType::ecdsa_p256);
  const auto vendor = YAML::Load(files_of(identity, {})["vendor-data"]);
  EXPECT_EQ(vendor["user"]["name"].as<std::string>(), "bob");
  EXPECT_FALSE(vendor["ssh_keys"]["ed25519_public"].IsDefined());
  const std::string pinned = known_hosts_lines(identity, "anyvisor-x");
  EXPECT_THAT(pinned, HasSubstr("anyvisor-x ssh-ed25519 AAAAtheirs\n"));
  EXPECT_THAT(pinned, HasSubstr("anyvisor-x ecdsa-sha2-nistp256 AAAA"));
}

TEST(CloudConfig, HostKeysAreEachGuestsOwn) {
  const auto one = identity_for("debian"), other = identity_for("debian");
  EXPECT_NE(one.host_keys[0].public_key, other.host_keys[0].public_key);
  EXPECT_THAT(files_of(one, {})["meta-data"], Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(known_hosts_lines(one, "x"), Not(HasSubstr("PRIVATE")));
}

}  // namespace
}  // namespace anyvisor
