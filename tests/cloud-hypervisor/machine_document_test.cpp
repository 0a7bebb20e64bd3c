// SPDX-License-Identifier: MIT
#include "machine_document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>

#include "temporary_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

std::string document(const std::string& more = {}, const std::string& boot = R"({"method":"kernel","kernel":"/k"})") {
  return R"({"id":"i","name":"n","folder":"/instances/i","cpus":2,"memory":{"size":67108864},"boot":)" + boot + more +
         "}";
}

struct Refusal {
  anyvisor_status status = ANYVISOR_OK;
  std::string field;
};

template <class Body>
Refusal refusal_of(Body&& body) {
  try {
    body();
  } catch (const sdk::Failure& failure) {
    const anyvisor_error error = failure.view();
    return {error.status, error.field ? error.field : ""};
  }
  return {};
}

Refusal refusal(const std::string& text) {
  return refusal_of([&] { parse_machine(text); });
}

Refusal endpoint_refusal(const std::string& endpoint) {
  return refusal_of([&] { parse_endpoints(parse_object(R"({"endpoints":[)" + endpoint + "]}", "it")); });
}

TEST(CloudHypervisorDocument, IsRead) {
  const MachineDocument machine =
      parse_machine(document(R"(,"max_cpus":4,"disks":[{"id":"root","path":"/d/top.qcow2","format":"qcow2","chain":[)"
                             R"({"path":"/d/top.qcow2","format":"qcow2"},{"path":"/d/base.img","format":"raw"}]}],)"
                             R"("volumes":[{"id":"data","path":"/d/v.img","format":"raw","read_only":true}],)"
                             R"("config_disk":{"path":"/instances/i/seed.iso"},"identity":{"smbios_uuid":"u"})",
                             R"({"method":"kernel","kernel":"/k","initrd":"/i","command_line":"console=ttyS0"})"));
  EXPECT_EQ(machine.cpus, 2u);
  EXPECT_EQ(machine.max_cpus, 4u);
  EXPECT_EQ(machine.memory, 64u << 20);
  EXPECT_EQ(machine.boot.initrd, "/i");
  ASSERT_EQ(machine.disks.size(), 3u);
  EXPECT_EQ(machine.disks[0].chain.size(), 2u);
  EXPECT_TRUE(machine.disks[1].read_only);
  EXPECT_EQ(machine.disks[2].id, "config");
  EXPECT_TRUE(machine.disks[2].read_only);
  EXPECT_EQ(machine.smbios_uuid, "u");
}

TEST(CloudHypervisorDocument, WhatItCannotIsRefusedWithItsField) {
  const std::pair<const char*, const char*> unsupported[] = {
      {R"(,"mounts":[{"id":"m","source":"/s","tag":"t"}])", "/mounts"},
      {R"(,"devices":[{"id":"v","kind":"vfio"}])", "/devices"},
      {R"(,"limits":{"disk_io_bps":1})", "/limits/disk_io_bps"},
      {R"(,"disks":[{"id":"d","path":"/d.vdi","format":"vdi"}])", "/disks/0/format"},
      {R"(,"disks":[{"id":"d","remote":"r","format":"raw"}])", "/disks/0/remote"},
  };
  for (const auto& [more, field] : unsupported) {
    EXPECT_EQ(refusal(document(more)).status, ANYVISOR_UNSUPPORTED) << more;
    EXPECT_EQ(refusal(document(more)).field, field);
  }
  const Refusal bios = refusal(document("", R"({"method":"firmware","firmware":"bios"})"));
  EXPECT_EQ(bios.status, ANYVISOR_UNSUPPORTED);
  EXPECT_EQ(bios.field, "/boot/firmware");
  EXPECT_EQ(refusal(document("", R"({"method":"firmware","firmware":"uefi"})")).status, ANYVISOR_OK);
}

TEST(CloudHypervisorDocument, NonsenseIsRefusedWithItsField) {
  EXPECT_EQ(refusal(R"({"folder":"here","cpus":1})").field, "/folder");
  EXPECT_EQ(refusal(R"({"folder":"/f","cpus":0})").field, "/cpus");
  EXPECT_EQ(refusal(R"({"folder":"/f","cpus":1,"memory":{}})").field, "/memory/size");
  EXPECT_EQ(refusal(document("", R"({"method":"kernel"})")).field, "/boot/kernel");
  EXPECT_EQ(refusal(document(R"(,"disks":[{"id":"d","path":"d","format":"raw"}])")).field, "/disks/0/path");
  EXPECT_EQ(refusal(document(R"(,"vsock":{"cid":2})")).field, "/vsock/cid");
  EXPECT_EQ(refusal(document(R"(,"vsock":{"cid":3})")).status, ANYVISOR_OK);
  EXPECT_EQ(refusal("[]").status, ANYVISOR_INVALID_ARGUMENT);
}

TEST(CloudHypervisorDocument, EndpointsAreTapsOrNothing) {
  EXPECT_TRUE(parse_endpoints(parse_object("{}", "it")).empty());
  const auto nics = parse_endpoints(parse_object(
      R"({"endpoints":[{"id":"a","mac":"m1","mode":"none"},{"id":"b","mac":"m2","mode":"tap","tap":{"name":"tap7"}}]})",
      "it"));
  ASSERT_EQ(nics.size(), 1u);
  EXPECT_EQ(nics[0].tap, "tap7");
  EXPECT_EQ(endpoint_refusal(R"({"id":"a","mac":"m","mode":"user"})").status, ANYVISOR_UNSUPPORTED);
  EXPECT_EQ(endpoint_refusal(R"({"id":"a","mac":"m","mode":"user"})").field, "/endpoints/0/mode");
  EXPECT_EQ(endpoint_refusal(R"({"id":"a","mac":"m","mode":"tap","tap":{"fd":7}})").status, ANYVISOR_UNSUPPORTED);
  EXPECT_EQ(endpoint_refusal(R"({"id":"a","mac":"m","mode":"tap"})").field, "/endpoints/0/tap");
  EXPECT_EQ(endpoint_refusal(R"({"id":"a","mac":"m","mode":"x"})").status, ANYVISOR_INVALID_ARGUMENT);
}

TEST(CloudHypervisorDocument, AKernelThatIsNoneIsRefusedBeforeAnythingStarts) {
  const test::TemporaryFolder folder;
  std::string bzimage(0x206, '\0');
  bzimage.replace(0x202, 4, "HdrS");
  MachineDocument machine;
  auto refused = [&](const std::string& content) {
    machine.boot.kernel = folder.write("kernel", content);
    return refusal_of([&] { require_files(machine); });
  };
  EXPECT_EQ(refused(bzimage).status, ANYVISOR_OK);
  EXPECT_EQ(refused(std::string("\177ELF\2", 5) + std::string(64, '\0')).status, ANYVISOR_OK);
  EXPECT_EQ(refused(std::string("\177ELF\1", 5)).status, ANYVISOR_INVALID_ARGUMENT);  // 32-bit
  EXPECT_EQ(refused("").status, ANYVISOR_INVALID_ARGUMENT);
  EXPECT_EQ(refused(std::string(4096, 'x')).field, "/boot/kernel");
  machine.boot.kernel = folder / "missing";
  EXPECT_EQ(refusal_of([&] { require_files(machine); }).status, ANYVISOR_NOT_FOUND);
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
