// SPDX-License-Identifier: MIT
#include "standby/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "instance/identifier.hpp"
#include "instance/intent.hpp"
#include "standby/digest.hpp"
#include "standby/host_cpu.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.instance = new_id();
  manifest.save = new_id();
  manifest.saved = "2026-01-02T03:04:05.678Z";
  manifest.took = std::chrono::microseconds(4711);
  manifest.memory_size = 1ULL << 32;
  manifest.memory_file = "memory";
  manifest.memory_file_size = (1ULL << 32) + 4096;
  manifest.state_file = "device-state";
  manifest.state_size = 288000;
  manifest.state_digest = "sha256:00";
  manifest.disk = new_id();
  manifest.disk_file = manifest.disk + ".qcow2";
  manifest.disk_content = {262144, 1795293287809505762};
  manifest.firmware_variables = UntouchedFile{540672, 5};
  manifest.hardware = R"({"cpus":2})";
  manifest.machine = R"({"backend":"some-backend"})";
  manifest.endpoints = R"([{"id":"net0"}])";
  manifest.vmm_name = "vmm";
  manifest.vmm_version = "1.2";
  manifest.host_cpu = "a processor";
  manifest.has_agent = true;
  return manifest;
}

TEST(Manifest, WhatIsWrittenIsRead) {
  Manifest manifest = example();
  auto read = parse_manifest(render(manifest), "manifest.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(render(*read), render(manifest));
  EXPECT_EQ(read->label(), manifest.instance + " " + manifest.save);
  EXPECT_EQ(read->disk_content, manifest.disk_content);

  manifest.durable = false;
  manifest.memory_file.clear();
  manifest.keeper = {::getpid(), 7, "a-boot"};
  manifest.home = {3, 4};
  manifest.firmware_variables.reset();
  read = parse_manifest(render(manifest), "manifest.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(render(*read), render(manifest));
  EXPECT_FALSE(read->firmware_variables);
}

TEST(Manifest, ANewerOneIsLeftAloneAndADamagedOneRefused) {
  std::string newer = render(example());
  newer.replace(newer.find("\"schema\": 1"), 11, "\"schema\": 2");
  EXPECT_EQ(parse_manifest(newer, "it").error().kind, ErrorKind::unsupported);
  for (const char* damaged : {"", "{}", "{\"schema\":1}", "not even that"})
    EXPECT_EQ(parse_manifest(damaged, "it").error().kind, ErrorKind::corrupted) << damaged;
  // A name that leads out of the folder is no name.
  for (auto member : {&Manifest::memory_file, &Manifest::state_file, &Manifest::disk_file}) {
    Manifest manifest = example();
    manifest.*member = "../other";
    EXPECT_EQ(parse_manifest(render(manifest), "it").error().kind, ErrorKind::corrupted);
  }
}

TEST(Manifest, AMemoryIsKeptByThatProcessInThatHomeOnly) {
  const test::TemporaryFolder home;
  Manifest manifest = example();
  EXPECT_TRUE(is_kept(manifest, home.path()));  // on the disk: nobody has to keep it
  manifest.durable = false;
  manifest.keeper = *ProcessIdentity::of(::getpid());
  manifest.home = *FolderIdentity::of(home.path());
  EXPECT_TRUE(is_kept(manifest, home.path()));
  const test::TemporaryFolder copy;
  EXPECT_FALSE(is_kept(manifest, copy.path()));
  Manifest later = manifest;
  later.keeper.start_time += 1;
  EXPECT_FALSE(is_kept(later, home.path()));
  Manifest earlier = manifest;
  earlier.keeper.boot_id = "another boot of this host";
  EXPECT_FALSE(is_kept(earlier, home.path()));
}

TEST(Manifest, WhatTheGuestSeesTellsTwoMachinesApart) {
  InstanceRecord record;
  record.name = "web";
  record.backend = "some-backend";
  record.networks = {{"net0", "user-network", "52:54:00:01:02:03", true, {{"tcp", "127.0.0.1", 0, 80}}}};
  const std::string before = visible_machine(record);
  InstanceRecord same = record;
  same.name = "other";
  same.networks[0].publish.clear();  // the host's affair
  EXPECT_EQ(visible_machine(same), before);
  InstanceRecord other = record;
  other.networks[0].mac = "52:54:00:01:02:04";
  EXPECT_NE(visible_machine(other), before);
  other = record;
  other.has_seed = true;
  EXPECT_NE(visible_machine(other), before);
}

TEST(Manifest, AnIntentTellsOfTheSaveAndOfTheGuest) {
  const test::TemporaryFolder folder;
  const std::string save = new_id();
  ASSERT_TRUE(write_intent(folder.path(), {"standby", false, "", save, false}));
  const auto intent = read_intent(folder.path());
  ASSERT_TRUE(intent && *intent);
  EXPECT_EQ((*intent)->save, save);
  EXPECT_FALSE((*intent)->was_running);
}

TEST(Digest, IsThatOfSha256sum) {
  const test::TemporaryFolder folder;
  const std::string path = std::string(folder.path()) + "/file";
  std::ofstream(path) << "abc";
  const std::string of_abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(*digest_of_file(path), of_abc);
  EXPECT_EQ(*digest_of_text("abc"), of_abc);
  EXPECT_EQ(digest_of_file(path + "-missing").error().kind, ErrorKind::not_found);
}

TEST(HostCpu, IsDescribedTheSameEachTime) {
  EXPECT_FALSE(describe_host_cpu().empty());
  EXPECT_EQ(describe_host_cpu(), describe_host_cpu());
  EXPECT_EQ(describe_host_cpu().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace anyvisor
