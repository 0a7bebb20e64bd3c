// SPDX-License-Identifier: MIT
#include "hardware.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyvisor::qemu {
namespace {

MachineDocument machine(const std::string& folder, const std::string& disk) {
  MachineDocument machine;
  machine.name = "web";
  machine.folder = folder;
  machine.memory = 1u << 20;
  machine.vmgenid = "g";
  machine.smbios_uuid = "u";
  machine.disks.push_back({"root", false, false, {{disk, "qcow2"}}, ""});
  return machine;
}

TEST(Hardware, ListsWhatTheGuestSees) {
  Endpoint endpoint{"net0", "52:54:00:00:00:01", EndpointMode::user, true, {{"tcp", "127.0.0.1", 8080, 80}}, "", -1};
  json::Document hardware = describe_hardware(machine("/a", "/d"), {endpoint}, {"pc-q35-7.2", "tcg", "max", "7.2.22"});
  EXPECT_EQ(json::string_or(hardware, "machine_type"), "pc-q35-7.2");
  EXPECT_EQ(json::string_or(hardware["vmm"], "version"), "7.2.22");
  std::vector<std::string> devices;
  for (const auto& device : hardware["devices"].GetArray())
    devices.push_back(json::string_or(device, "kind") + "@" + json::string_or(device, "address", "-"));
  EXPECT_THAT(devices, testing::ElementsAre("serial@-", "panic@-", "vmgenid@-", "channel@0000:00:02.0",
                                            "rng@0000:00:03.0", "disk@0000:00:04.0", "nic@0000:00:10.0"));
}

TEST(Hardware, HoldsNothingOfThisHost) {
  Endpoint here{"net0", "52:54:00:00:00:01", EndpointMode::user, true, {{"tcp", "127.0.0.1", 8080, 80}}, "", -1};
  Endpoint there{"net0", "52:54:00:00:00:01", EndpointMode::tap, false, {}, "tap7", 9};
  const HardwareFacts facts{"pc-q35-7.2", "tcg", "max", "7.2.22"};
  EXPECT_EQ(json::render(describe_hardware(machine("/a", "/d"), {here}, facts)),
            json::render(describe_hardware(machine("/b", "/e"), {there}, facts)));
}

}  // namespace
}  // namespace anyvisor::qemu
