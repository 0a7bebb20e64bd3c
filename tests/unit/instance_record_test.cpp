// SPDX-License-Identifier: MIT
#include "instance/instance_record.hpp"

#include <gtest/gtest.h>

#include "instance/identifier.hpp"
#include "instance/intent.hpp"

namespace anyvisor {
namespace {

InstanceRecord example() {
  InstanceRecord record;
  record.id = new_id();
  record.name = "web";
  record.created = "2026-01-02T03:04:05.678Z";
  record.image = "debian";
  record.image_id = new_id();
  record.backend = "some-backend";
  record.cpus = 2;
  record.memory = 1ULL << 40;
  record.disk = new_id();
  record.boot_method = "kernel";
  record.has_initrd = true;
  record.command_line = "console=ttyS0 x=\"y\"";
  record.networks = {{"net0", "user-network", "52:54:00:01:02:03", true, {{"udp", "127.0.0.1", 8080, 80}}}};
  record.vsock_cid = 4294967294;
  record.ssh_over_vsock = true;
  record.smbios_uuid = new_random_uuid();
  record.hardware = R"({"machine_type":"m-1"})";
  record.last_operation = "start";
  record.last_phases = {{"boot", std::chrono::microseconds(5), std::chrono::microseconds(7)}};
  return record;
}

TEST(InstanceRecord, WhatIsWrittenIsRead) {
  InstanceRecord record = example();
  record.deleted = "2026-02-03T04:05:06.789Z";
  auto read = parse_instance(render(record), "instance.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(render(*read), render(record));
  EXPECT_EQ(read->networks.at(0).publish.at(0).host_port, 8080);
  EXPECT_EQ(read->memory, 1ULL << 40);
  EXPECT_EQ(read->deleted, record.deleted);
  EXPECT_EQ(read->vsock_cid, 4294967294u);
  EXPECT_TRUE(read->ssh_over_vsock);
  EXPECT_EQ(read->last_phases.at(0).duration.count(), 7);
}

TEST(InstanceRecord, WhatWasWrittenBeforeThereWasVsockHasNone) {
  InstanceRecord record = example();
  record.vsock_cid = 0;
  const std::string text = render(record);
  EXPECT_EQ(text.find("vsock"), std::string::npos) << text;
  EXPECT_EQ(parse_instance(text, "instance.json")->vsock_cid, 0u);
  EXPECT_EQ(vsock_cid_of(R"({"devices":[{"kind":"disk"},{"kind":"vsock","cid":77}]})"), 77u);
  for (const char* none : {"", "[]", "{}", R"({"devices":[]})", R"({"devices":[{"kind":"nic","cid":7}]})"})
    EXPECT_EQ(vsock_cid_of(none), 0u) << none;
}

// A file cut at any byte is damaged, never half an instance.
TEST(InstanceRecord, CutAtEveryByte) {
  std::string text = render(example());
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    auto read = parse_instance(text.substr(0, length), "instance.json");
    ASSERT_FALSE(read) << length;
    EXPECT_EQ(read.error().kind, ErrorKind::corrupted);
  }
}

TEST(InstanceRecord, NewerSchemaIsLeftAloneAndReported) {
  auto read = parse_instance(R"({"schema":2,"id":"x"})", "instance.json");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::unsupported);
  EXPECT_NE(read.error().message.find("newer"), std::string::npos);
}

TEST(InstanceRecord, DamagedFieldsAreNamed) {
  auto message = [](const char* from, const char* to) {
    std::string text = render(example());
    auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, std::string(from).size(), to);
    auto read = parse_instance(text, "instance.json");
    return read ? std::string("accepted") : read.error().message;
  };
  EXPECT_NE(message("\"web\"", "\"../web\"").find("name"), std::string::npos);
  EXPECT_NE(message("\"cpus\": 2", "\"cpus\": -2").find("cpus"), std::string::npos);
  EXPECT_NE(message("\"backend\": \"some-backend\"", "\"backend\": 7").find("backend"), std::string::npos);
  EXPECT_NE(message("\"schema\": 1", "\"schema\": 0").find("schema"), std::string::npos);
  EXPECT_NE(message("\"disk\": \"", "\"disk\": \"../").find("disk"), std::string::npos);
}

TEST(Intent, UnknownOperationsAndNewerSchemasAreRefused) {
  char folder[] = "/tmp/anyvisor-intent-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  ASSERT_TRUE(read_intent(folder));
  EXPECT_FALSE(read_intent(folder)->has_value());
  ASSERT_TRUE(write_intent(folder, {"stop", true, ""}));
  auto intent = read_intent(folder);
  ASSERT_TRUE(intent && *intent);
  EXPECT_EQ((*intent)->operation, "stop");
  EXPECT_TRUE((*intent)->force);
  ASSERT_TRUE(write_intent(folder, {"paint", false, ""}));
  EXPECT_EQ(read_intent(folder).error().kind, ErrorKind::corrupted);
  ASSERT_TRUE(clear_intent(folder));
  EXPECT_FALSE(read_intent(folder)->has_value());
  rmdir(folder);
}

}  // namespace
}  // namespace anyvisor
