// SPDX-License-Identifier: MIT
#include "command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>

#include "network_devices.hpp"

namespace anyvisor::qemu {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

MachineDocument machine() {
  MachineDocument machine;
  machine.name = "web";
  machine.folder = "/home/x/instances/i";
  machine.cpus = 2;
  machine.memory = 256u << 20;
  machine.boot.method = BootMethod::kernel;
  machine.boot.kernel = "/k";
  return machine;
}

LaunchFacts facts() {
  LaunchFacts facts;
  facts.binary = "/usr/bin/qemu-system-x86_64";
  facts.machine_type = "pc-q35-7.2";
  facts.accelerator = "tcg";
  facts.cpu_model = "max";
  facts.descriptors = {20, 21, 22, 23, 24};
  return facts;
}

// The values of each occurrence of an option.
std::vector<std::string> values(const CommandLine& line, const std::string& option) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i + 1 < line.argv.size(); ++i)
    if (line.argv[i] == option) found.push_back(line.argv[i + 1]);
  return found;
}
std::string value(const CommandLine& line, const std::string& option) {
  auto found = values(line, option);
  EXPECT_EQ(found.size(), 1u) << option;
  return found.empty() ? std::string() : found.front();
}

TEST(CommandLine, HasAVsockDeviceWhereADescriptorForItIs) {
  MachineDocument document = machine();
  document.vsock.cid = 77;
  EXPECT_THAT(values(build_command_line(document, {}, facts()), "-device"), Not(Contains(HasSubstr("vsock"))));
  LaunchFacts with_vsock = facts();
  with_vsock.descriptors.vsock = 25;
  Endpoint tap;
  tap.id = "net0";
  tap.mac = "52:54:00:00:00:01";
  tap.mode = EndpointMode::tap;
  tap.tap_fd = 26;
  const CommandLine line = build_command_line(document, {tap}, with_vsock);
  EXPECT_THAT(values(line, "-device"), Contains("vhost-vsock-pci,id=vsock,guest-cid=77,vhostfd=16,bus=pcie.0,addr=18"));
  EXPECT_THAT(line.descriptors, Contains(Pair(25, 16)));
  EXPECT_THAT(line.descriptors, Contains(Pair(26, 8)));
}

TEST(CommandLine, SaysWhatTheMachineIs) {
  MachineDocument document = machine();
  document.smbios_uuid = "0190a6e0-0000-4000-8000-000000000002";
  document.vmgenid = "0190a6e0-0000-4000-8000-000000000003";
  CommandLine line = build_command_line(document, {}, facts());
  EXPECT_EQ(line.argv.front(), "/usr/bin/qemu-system-x86_64");
  EXPECT_EQ(value(line, "-machine"), "pc-q35-7.2,memory-backend=mem");
  EXPECT_EQ(value(line, "-accel"), "tcg,thread=multi");
  EXPECT_EQ(value(line, "-cpu"), "max");
  EXPECT_EQ(value(line, "-smp"), "cpus=2,sockets=1,dies=1,cores=2,threads=1");
  EXPECT_EQ(value(line, "-m"), "256M");
  EXPECT_EQ(value(line, "-uuid"), document.smbios_uuid);
  EXPECT_THAT(values(line, "-device"), Contains("vmgenid,id=vmgenid,guid=" + document.vmgenid));
  EXPECT_THAT(values(line, "-object"),
              Contains("memory-backend-file,id=mem,size=256M,mem-path=/proc/self/fd/7,share=on"));
  for (const char* flag : {"-nodefaults", "-no-user-config", "-S"}) EXPECT_THAT(line.argv, Contains(flag));
  EXPECT_EQ(value(line, "-sandbox"), "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
  EXPECT_THAT(value(line, "-action"), HasSubstr("shutdown=pause"));
}

TEST(CommandLine, KvmHasNoTcgOptions) {
  LaunchFacts kvm = facts();
  kvm.accelerator = "kvm";
  kvm.cpu_model = "host";
  CommandLine line = build_command_line(machine(), {}, kvm);
  EXPECT_EQ(value(line, "-accel"), "kvm");
  EXPECT_EQ(value(line, "-cpu"), "host");
}

TEST(CommandLine, TheSandboxCanBeLeftOut) {
  LaunchFacts open = facts();
  open.sandbox = false;
  EXPECT_THAT(build_command_line(machine(), {}, open).argv, Not(Contains("-sandbox")));
}

TEST(CommandLine, PassesEachDescriptorOnceAndNamesItsNumber) {
  Endpoint tap{"net0", "52:54:00:00:00:01", EndpointMode::tap, false, {}, "tap0", 40};
  CommandLine line = build_command_line(machine(), {tap}, facts());
  EXPECT_THAT(line.descriptors, testing::UnorderedElementsAre(Pair(20, 3), Pair(21, 4), Pair(22, 5), Pair(23, 6),
                                                              Pair(24, 7), Pair(40, 8)));
  EXPECT_THAT(values(line, "-chardev"), testing::ElementsAre("socket,id=qmp,fd=4,server=on,wait=off",
                                                             "socket,id=console,fd=5,server=on,wait=off,"
                                                             "logfile=/proc/self/fd/3/logs/console.log,logappend=on",
                                                             "socket,id=agent,fd=6,server=on,wait=off"));
  EXPECT_EQ(value(line, "-netdev"), "tap,id=net0,fd=8");
}

TEST(CommandLine, NoPathOfTheInstanceStandsInItButThoseOfItsFiles) {
  for (const auto& argument : build_command_line(machine(), {}, facts()).argv)
    EXPECT_THAT(argument, Not(HasSubstr("/home/x/instances/i"))) << argument;
}

TEST(CommandLine, NamesEveryNodeOfAChainDeepestFirst) {
  MachineDocument document = machine();
  document.disks.push_back(
      {"root", false, false, {{"/d/top,1.qcow2", "qcow2"}, {"/d/mid", "qcow2"}, {"/d/base", "raw"}}, ""});
  CommandLine line = build_command_line(document, {}, facts());
  auto nodes = values(line, "-blockdev");
  ASSERT_EQ(nodes.size(), 6u);
  const char* const names[] = {"disk0-back2-file", "disk0-back2", "disk0-back1-file",
                               "disk0-back1",      "disk0-file",  "disk0"};
  const bool read_only[] = {true, true, true, true, false, false};
  std::vector<json::Document> parsed;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    parsed.push_back(parse_object(nodes[i], "node"));
    EXPECT_EQ(json::string_or(parsed[i], "node-name"), names[i]);
    EXPECT_EQ(json::bool_or(parsed[i], "read-only", !read_only[i]), read_only[i]) << names[i];
    EXPECT_LE(json::string_or(parsed[i], "node-name").size(), 31u);
    EXPECT_NE(json::object_or_null(parsed[i], "cache"), nullptr) << names[i];
  }
  EXPECT_EQ(json::find(parsed[1], "backing"), nullptr) << "raw has no backing file";
  EXPECT_EQ(json::string_or(parsed[3], "backing"), "disk0-back2");
  EXPECT_EQ(json::string_or(parsed[5], "backing"), "disk0-back1");
  EXPECT_EQ(json::string_or(parsed[4], "filename"), "/d/top,1.qcow2");
  EXPECT_EQ(json::string_or(parsed[5], "discard"), "unmap");
}

TEST(CommandLine, AQcow2WithoutBackingSaysSo) {
  MachineDocument document = machine();
  document.disks.push_back({"root", false, false, {{"/d", "qcow2"}}, ""});
  auto nodes = values(build_command_line(document, {}, facts()), "-blockdev");
  json::Document top = parse_object(nodes.at(1), "node");
  const json::Value* backing = json::find(top, "backing");
  ASSERT_NE(backing, nullptr) << "else QEMU would open whatever the header names";
  EXPECT_TRUE(backing->IsNull());
}

TEST(CommandLine, DevicesKeepTheirPlacesWhateverElseThereIs) {
  MachineDocument document = machine();
  document.disks.push_back({"root", false, false, {{"/a", "raw"}}, ""});
  Endpoint endpoint{"net0", "52:54:00:00:00:01", EndpointMode::user, true, {}, "", -1};
  auto nic_address = [&] {
    for (const auto& device : values(build_command_line(document, {endpoint}, facts()), "-device"))
      if (device.find("virtio-net-pci") != std::string::npos)
        return json::string_or(parse_object(device, "device"), "addr");
    return std::string("none");
  };
  const std::string before = nic_address();
  EXPECT_EQ(before, "10");
  document.disks.push_back({"data", false, false, {{"/b", "raw"}}, ""});
  EXPECT_EQ(nic_address(), before);
}

TEST(CommandLine, BootIndexOnlyForFirmware) {
  MachineDocument document = machine();
  document.disks.push_back({"root", false, false, {{"/a", "raw"}}, ""});
  auto disk = [&] { return values(build_command_line(document, {}, facts()), "-device").back(); };
  EXPECT_THAT(disk(), Not(HasSubstr("bootindex")));
  document.boot = {BootMethod::bios, "", "", "", ""};
  EXPECT_THAT(disk(), HasSubstr(R"("bootindex":1)"));
  EXPECT_THAT(build_command_line(document, {}, facts()).argv, Not(Contains("-kernel")));
}

TEST(CommandLine, KernelInitrdAndCommandLine) {
  MachineDocument document = machine();
  EXPECT_THAT(build_command_line(document, {}, facts()).argv, Not(Contains("-append")));
  document.boot.initrd = "/i";
  document.boot.command_line = "root=LABEL=x rw, console=ttyS0";
  CommandLine line = build_command_line(document, {}, facts());
  EXPECT_EQ(value(line, "-kernel"), "/k");
  EXPECT_EQ(value(line, "-initrd"), "/i");
  EXPECT_EQ(value(line, "-append"), document.boot.command_line);
}

TEST(CommandLine, UefiHasCodeAndVariables) {
  MachineDocument document = machine();
  document.boot = {BootMethod::uefi, "", "", "", "/n"};
  LaunchFacts uefi = facts();
  uefi.firmware_code = "/ovmf/code";
  uefi.firmware_variables = "/n";
  CommandLine line = build_command_line(document, {}, uefi);
  EXPECT_THAT(value(line, "-machine"), HasSubstr("pflash0=firmware-code,pflash1=firmware-variables"));
  auto nodes = values(line, "-blockdev");
  ASSERT_EQ(nodes.size(), 4u);
  EXPECT_TRUE(json::bool_or(parse_object(nodes[0], "node"), "read-only", false));
  EXPECT_FALSE(json::bool_or(parse_object(nodes[2], "node"), "read-only", true));
  EXPECT_EQ(json::string_or(parse_object(nodes[2], "node"), "filename"), "/n");
}

TEST(CommandLine, UserNetworkWithPorts) {
  Endpoint endpoint{"net0",
                    "52:54:00:00:00:01",
                    EndpointMode::user,
                    true,
                    {{"tcp", "127.0.0.1", 8080, 80}, {"udp", "0.0.0.0", 53, 53}},
                    "",
                    -1};
  CommandLine line = build_command_line(machine(), {endpoint}, facts());
  EXPECT_EQ(value(line, "-netdev"),
            "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:53-:53");
  EXPECT_THAT(values(line, "-device").back(), HasSubstr(R"("mac":"52:54:00:00:00:01")"));
  EXPECT_THAT(values(line, "-device").back(), HasSubstr(R"("romfile":"")"));
}

TEST(CommandLine, ANicWithoutALinkHasNoNetdev) {
  Endpoint endpoint{"net0", "52:54:00:00:00:01", EndpointMode::none, false, {}, "", -1};
  CommandLine line = build_command_line(machine(), {endpoint}, facts());
  EXPECT_TRUE(values(line, "-netdev").empty());
  EXPECT_THAT(values(line, "-device").back(), Not(HasSubstr("netdev")));
}

TEST(CommandLine, TooManyDevicesAreRefused) {
  MachineDocument document = machine();
  for (int i = 0; i < 12; ++i) document.disks.push_back({"d" + std::to_string(i), false, false, {{"/a", "raw"}}, ""});
  build_command_line(document, {}, facts());
  document.disks.push_back({"one-more", false, false, {{"/a", "raw"}}, ""});
  EXPECT_THROW(build_command_line(document, {}, facts()), sdk::Failure);
  std::vector<Endpoint> endpoints(9, {"n", "m", EndpointMode::none, false, {}, "", -1});
  EXPECT_THROW(build_command_line(machine(), endpoints, facts()), sdk::Failure);
}

TEST(CommandLine, CommasInValuesAreDoubled) {
  EXPECT_EQ(option_value("a,b,,c"), "a,,b,,,,c");
  EXPECT_EQ(option_value("plain"), "plain");
}

}  // namespace
}  // namespace anyvisor::qemu
