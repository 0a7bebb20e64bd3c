// SPDX-License-Identifier: MIT
#include "settings.hpp"

#include <gtest/gtest.h>

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>

namespace anyvisor::qemu {
namespace {

TEST(Settings, HaveDefaults) {
  Settings settings = parse_settings("{}");
  EXPECT_EQ(settings.binary, "qemu-system-x86_64");
  EXPECT_EQ(settings.machine_type, "q35");
  EXPECT_EQ(settings.accelerator, AcceleratorChoice::automatic);
  EXPECT_TRUE(settings.sandbox);
}

TEST(Settings, AreRead) {
  Settings settings = parse_settings(
      R"({"binary":"/opt/q","machine_type":"pc-q35-7.1","cpu_model":"qemu64","accelerator":"kvm","sandbox":false})");
  EXPECT_EQ(settings.binary, "/opt/q");
  EXPECT_EQ(settings.machine_type, "pc-q35-7.1");
  EXPECT_EQ(settings.cpu_model, "qemu64");
  EXPECT_EQ(settings.accelerator, AcceleratorChoice::kvm);
  EXPECT_FALSE(settings.sandbox);
}

TEST(Settings, RefuseWhatIsWrong) {
  EXPECT_THROW(parse_settings("[]"), sdk::Failure);
  EXPECT_THROW(parse_settings("{"), sdk::Failure);
  try {
    parse_settings(R"({"accelerator":"xen"})");
    FAIL();
  } catch (const sdk::Failure& failure) {
    EXPECT_STREQ(failure.view().field, "/accelerator");
  }
}

TEST(Settings, SchemaNamesEverySettingAndIsJson) {
  json::Document schema;
  schema.Parse(settings_schema);
  ASSERT_FALSE(schema.HasParseError());
  for (const char* name :
       {"binary", "machine_type", "cpu_model", "accelerator", "sandbox", "firmware_code", "firmware_variables"})
    EXPECT_NE(json::find(schema["properties"], name), nullptr) << name;
  EXPECT_EQ(schema["properties"].MemberCount(), 7u);
}

}  // namespace
}  // namespace anyvisor::qemu
