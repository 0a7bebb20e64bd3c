// SPDX-License-Identifier: MIT
#include "vm_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>

#include "hardware.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

MachineDocument machine() {
  MachineDocument made;
  made.folder = "/instances/i";
  made.cpus = 2;
  made.max_cpus = 3;
  made.memory = 64 << 20;
  made.boot.kernel = "/instances/i/kernel";
  made.boot.command_line = "console=ttyS0";
  made.disks.push_back({"root", false, false, {{"/disks/top.qcow2", "qcow2"}, {"/disks/base.img", "raw"}}, "/disks/0"});
  made.disks.push_back({"config", true, false, {{"/instances/i/seed.iso", "raw"}}, "/config_disk"});
  return made;
}

const std::vector<Nic> one_nic{{"net0", "52:54:00:00:00:01", "tap0"}};

TEST(VmConfig, OfTheNewestVersion) {
  const json::Document config = make_vm_config(machine(), one_nic, {abilities_of({53, 0}), true, {}, {}});
  EXPECT_EQ(
      json::render(config),
      R"({"cpus":{"boot_vcpus":2,"max_vcpus":3},"memory":{"size":67108864,"shared":true},)"
      R"("payload":{"kernel":"/instances/i/kernel","cmdline":"console=ttyS0"},)"
      R"("disks":[{"id":"root","path":"/disks/top.qcow2","readonly":false,"image_type":"Qcow2","backing_files":true},)"
      R"({"id":"config","path":"/instances/i/seed.iso","readonly":true,"image_type":"Raw"}],)"
      R"("net":[{"id":"net0","tap":"tap0","mac":"52:54:00:00:00:01"}],)"
      R"("rng":{"src":"/dev/urandom"},"serial":{"mode":"Tty"},"console":{"mode":"Off"},)"
      R"("landlock_enable":true,"landlock_rules":[{"path":"/instances/i","access":"rw"},)"
      R"({"path":"/disks/base.img","access":"r"}]})");
}

TEST(VmConfig, OldVersionsGetNothingThatTheyDoNotKnow) {
  const std::string config = json::render(make_vm_config(machine(), {}, {abilities_of({40, 0}), false, {}, {}}));
  for (const char* unknown : {"image_type", "backing_files", "landlock", "\"net\""})
    EXPECT_THAT(config, ::testing::Not(::testing::HasSubstr(unknown)));
}

TEST(VmConfig, FirmwareTakesTheKernelsPlace) {
  MachineDocument made = machine();
  made.boot.method = BootMethod::firmware;
  const std::string config = json::render(make_vm_config(made, {}, {abilities_of({53, 0}), false, "/CLOUDHV.fd", {}}));
  EXPECT_THAT(config, ::testing::HasSubstr(R"("payload":{"firmware":"/CLOUDHV.fd"})"));
}

TEST(VmConfig, VsockIsReachedThroughTheInstancesFolder) {
  MachineDocument made = machine();
  made.vsock.cid = 4294967294;
  const std::string config =
      json::render(make_vm_config(made, {}, {abilities_of({53, 0}), false, {}, "/f/vsock.sock"}));
  EXPECT_THAT(config, ::testing::HasSubstr(R"("vsock":{"id":"vsock","cid":4294967294,"socket":"/f/vsock.sock"})"));
}

TEST(VmConfig, ARestoredOneHasTodaysPathsAndYesterdaysRest) {
  json::Document saved = make_vm_config(machine(), one_nic, {abilities_of({53, 0}), true, {}, {}});
  json::set(saved, saved["disks"][0], "queue_size", 64);
  json::set(saved, saved["rng"], "id", "__rng");
  MachineDocument moved = machine();
  moved.folder = "/elsewhere/i";
  moved.boot.kernel = "/elsewhere/i/kernel";
  moved.disks[0].chain[0].path = "/elsewhere/top.qcow2";
  moved.disks[1].chain[0].path = "/elsewhere/i/seed.iso";
  const std::vector<Nic> nics{{"net0", "52:54:00:00:00:01", "tap9"}};
  const json::Document config = make_restored_config(saved, moved, nics, {abilities_of({53, 0}), true, {}, {}});
  EXPECT_STREQ(config["disks"][0]["path"].GetString(), "/elsewhere/top.qcow2");
  EXPECT_EQ(config["disks"][0]["queue_size"].GetInt(), 64);
  EXPECT_STREQ(config["disks"][1]["path"].GetString(), "/elsewhere/i/seed.iso");
  EXPECT_STREQ(config["net"][0]["tap"].GetString(), "tap9");
  EXPECT_STREQ(config["rng"]["id"].GetString(), "__rng");
  EXPECT_STREQ(config["payload"]["kernel"].GetString(), "/elsewhere/i/kernel");
  EXPECT_STREQ(config["landlock_rules"][0]["path"].GetString(), "/elsewhere/i");
}

TEST(VmConfig, AnotherMachinesIsRefused) {
  const ConfigFacts facts{abilities_of({53, 0}), false, {}, {}};
  const json::Document saved = make_vm_config(machine(), one_nic, facts);
  MachineDocument fewer = machine();
  fewer.disks.pop_back();
  EXPECT_THROW(make_restored_config(saved, fewer, one_nic, facts), sdk::Failure);
  MachineDocument renamed = machine();
  renamed.disks[0].id = "other";
  EXPECT_THROW(make_restored_config(saved, renamed, one_nic, facts), sdk::Failure);
  EXPECT_THROW(make_restored_config(saved, machine(), {}, facts), sdk::Failure);
}

TEST(CloudHypervisorHardware, IsPinnedToWhatTheGuestSawAndToTheVersion) {
  MachineDocument made = machine();
  EXPECT_THROW(require_same_hardware(made, one_nic, {53, 0}), sdk::Failure);  // none is known
  made.hardware = json::render(describe_hardware(made, one_nic, {53, 0}));
  EXPECT_NO_THROW(require_same_hardware(made, one_nic, {53, 0}));
  EXPECT_NO_THROW(require_same_hardware(made, {{"net0", "52:54:00:00:00:01", "another-tap"}}, {53, 0}));
  EXPECT_THROW(require_same_hardware(made, one_nic, {52, 0}), sdk::Failure);
  EXPECT_THROW(require_same_hardware(made, {}, {53, 0}), sdk::Failure);
  MachineDocument more = made;
  more.memory *= 2;
  EXPECT_THROW(require_same_hardware(more, one_nic, {53, 0}), sdk::Failure);
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
