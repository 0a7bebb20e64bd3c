// SPDX-License-Identifier: MIT
#include "machine_document.hpp"

#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>

namespace anyvisor::qemu {
namespace {

std::string with(const std::string& members) {
  return R"({"id":"i","name":"web","folder":"/home/x","cpus":2,"memory":{"size":1048576},)" + members + "}";
}
const std::string kernel_boot = R"("boot":{"method":"kernel","kernel":"/k","initrd":"/i","command_line":"a=b"})";

// The status and field of the refusal; fails when the document is taken.
std::pair<anyvisor_status, std::string> refusal(const std::string& text) {
  try {
    parse_machine(text);
  } catch (const sdk::Failure& failure) {
    const char* field = failure.view().field;
    return {failure.status(), field ? field : ""};
  }
  ADD_FAILURE() << "taken: " << text;
  return {};
}

using Refusal = std::pair<anyvisor_status, std::string>;

TEST(MachineDocument, IsRead) {
  MachineDocument machine =
      parse_machine(with(kernel_boot + R"(,"disks":[{"id":"root","path":"/d/a.qcow2","format":"qcow2","chain":[
        {"path":"/d/a.qcow2","format":"qcow2"},{"path":"/d/b.raw","format":"raw"}]}],
      "volumes":[{"id":"data","path":"/v","format":"raw","shared":true}],"config_disk":{"path":"/seed"},
      "identity":{"smbios_uuid":"u","vmgenid":"g"},"hardware":{"machine_type":"pc-q35-7.2"})"));
  EXPECT_EQ(machine.name, "web");
  EXPECT_EQ(machine.cpus, 2u);
  EXPECT_EQ(machine.memory, 1048576u);
  EXPECT_FALSE(machine.memory_in_file);
  EXPECT_EQ(machine.boot.method, BootMethod::kernel);
  EXPECT_EQ(machine.boot.command_line, "a=b");
  ASSERT_EQ(machine.disks.size(), 3u);
  EXPECT_EQ(machine.disks[0].chain.size(), 2u);
  EXPECT_EQ(machine.disks[0].chain[1].path, "/d/b.raw");
  EXPECT_TRUE(machine.disks[1].shared);
  EXPECT_TRUE(machine.disks[2].read_only);
  EXPECT_EQ(machine.smbios_uuid, "u");
  EXPECT_EQ(machine.hardware_machine_type, "pc-q35-7.2");
}

TEST(MachineDocument, ADiskWithoutAChainIsItsOwn) {
  auto machine = parse_machine(with(kernel_boot + R"(,"disks":[{"id":"root","path":"/d","format":"raw"}])"));
  ASSERT_EQ(machine.disks[0].chain.size(), 1u);
  EXPECT_EQ(machine.disks[0].chain[0].format, "raw");
}

TEST(MachineDocument, RefusesWithTheField) {
  EXPECT_EQ(refusal("[]").first, ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(refusal(R"({"folder":"x"})"), Refusal(ANYVISOR_INVALID_ARGUMENT, "/folder"));
  EXPECT_EQ(refusal(R"({"folder":"/x"})"), Refusal(ANYVISOR_INVALID_ARGUMENT, "/cpus"));
  EXPECT_EQ(refusal(R"({"folder":"/x","cpus":1,"memory":{"size":1000}})"),
            Refusal(ANYVISOR_INVALID_ARGUMENT, "/memory/size"));
  EXPECT_EQ(refusal(with(R"("boot":{"method":"kernel"})")), Refusal(ANYVISOR_INVALID_ARGUMENT, "/boot/kernel"));
  EXPECT_EQ(refusal(with(R"("boot":{"method":"pxe"})")), Refusal(ANYVISOR_INVALID_ARGUMENT, "/boot/method"));
  EXPECT_EQ(refusal(with(R"("boot":{"method":"firmware","firmware":"coreboot"})")),
            Refusal(ANYVISOR_INVALID_ARGUMENT, "/boot/firmware"));
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"disks":[{"id":"root","path":"/d","format":"vmdk"}])")),
            Refusal(ANYVISOR_UNSUPPORTED, "/disks/0/format"));
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"disks":[{"id":"root","path":"d","format":"raw"}])")),
            Refusal(ANYVISOR_INVALID_ARGUMENT, "/disks/0/path"));
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"disks":[{"id":"root","remote":"x","format":"raw"}])")),
            Refusal(ANYVISOR_UNSUPPORTED, "/disks/0/remote"));
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"disks":[{"id":"r","format":"raw","chain":[
              {"path":"/a","format":"raw"},{"path":"/b","format":"raw"}]}])")),
            Refusal(ANYVISOR_INVALID_ARGUMENT, "/disks/0/chain/0/format"));
}

TEST(MachineDocument, RefusesWhatTheBackendDoesNotHaveYet) {
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"mounts":[{"id":"m"}])")), Refusal(ANYVISOR_UNSUPPORTED, "/mounts"));
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"devices":[{"id":"g"}])")), Refusal(ANYVISOR_UNSUPPORTED, "/devices"));
  EXPECT_EQ(refusal(with(kernel_boot + R"(,"limits":{"disk_io_bps":5})")),
            Refusal(ANYVISOR_UNSUPPORTED, "/limits/disk_io_bps"));
  EXPECT_EQ(parse_machine(with(kernel_boot + R"(,"mounts":[],"devices":[],"limits":{"disk_io_bps":0})")).cpus, 2u);
}

TEST(MachineDocument, HasAVsockDeviceWhereItMayBe) {
  EXPECT_EQ(parse_machine(with(kernel_boot)).vsock.cid, 0u);
  const MachineDocument needed = parse_machine(with(kernel_boot + R"(,"vsock":{"cid":4294967294})"));
  EXPECT_EQ(needed.vsock.cid, 4294967294u);
  EXPECT_FALSE(needed.vsock.optional);
  EXPECT_TRUE(parse_machine(with(kernel_boot + R"(,"vsock":{"cid":3,"optional":true})")).vsock.optional);
  for (const char* none : {"2", "4294967295", "18446744073709551615"})
    EXPECT_EQ(refusal(with(kernel_boot + R"(,"vsock":{"cid":)" + none + "}")),
              Refusal(ANYVISOR_INVALID_ARGUMENT, "/vsock/cid"));
}

TEST(Endpoints, AreRead) {
  json::Document request = parse_object(R"({"endpoints":[
    {"id":"net0","mac":"52:54:00:00:00:01","mode":"user","restrict":true,"publish":[{"host_port":8080,"guest_port":80}]},
    {"id":"net1","mac":"52:54:00:00:00:02","mode":"tap","tap":{"name":"tap3","fd":17}},
    {"id":"net2","mac":"52:54:00:00:00:03","mode":"none"}]})",
                                        "request");
  auto endpoints = parse_endpoints(request);
  ASSERT_EQ(endpoints.size(), 3u);
  EXPECT_TRUE(endpoints[0].restricted);
  EXPECT_EQ(endpoints[0].publish[0].protocol, "tcp");
  EXPECT_EQ(endpoints[0].publish[0].host_address, "127.0.0.1");
  EXPECT_EQ(endpoints[0].publish[0].host_port, 8080u);
  EXPECT_EQ(endpoints[1].tap_fd, 17);
  EXPECT_EQ(endpoints[2].mode, EndpointMode::none);
  EXPECT_TRUE(parse_endpoints(json::make_object()).empty());
}

TEST(Endpoints, AreRefusedWithTheField) {
  auto field_of = [](const char* endpoint) -> std::string {
    try {
      parse_endpoints(parse_object(std::string(R"({"endpoints":[)") + endpoint + "]}", "request"));
    } catch (const sdk::Failure& failure) {
      return failure.view().field;
    }
    return "taken";
  };
  EXPECT_EQ(field_of(R"({"mac":"m","mode":"user"})"), "/endpoints/0/id");
  EXPECT_EQ(field_of(R"({"id":"n","mode":"user"})"), "/endpoints/0/mac");
  EXPECT_EQ(field_of(R"({"id":"n","mac":"m","mode":"bridge"})"), "/endpoints/0/mode");
  EXPECT_EQ(field_of(R"({"id":"n","mac":"m","mode":"tap","tap":{}})"), "/endpoints/0/tap");
}

}  // namespace
}  // namespace anyvisor::qemu
