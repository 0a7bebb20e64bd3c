// SPDX-License-Identifier: MIT
#include "capability_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <anyvisor/plugin.hpp>

namespace anyvisor::cloud_hypervisor {
namespace {

HostFacts host(Version version, const std::string& why_no_kvm = {}) {
  return {{"/bin/cloud-hypervisor", "x"}, version, {why_no_kvm.empty(), why_no_kvm}, 3};
}

std::string answer(const json::Document& report, const char* name) {
  return json::string_or(report["capabilities"][name], "answer");
}

TEST(CloudHypervisorReport, EveryNoHasItsReason) {
  for (const Version version : {Version{40, 0}, Version{53, 0}}) {
    const json::Document report = make_capability_report({}, host(version));
    for (const auto& [name, value] : report["capabilities"].GetObject()) {
      if (json::string_or(value, "answer") != "yes") {
        EXPECT_NE(json::string_or(value, "reason"), "") << name.GetString();
      }
    }
    EXPECT_EQ(json::string_or(report["vmm"], "version"), to_string(version));
  }
}

TEST(CloudHypervisorReport, SaysWhatIsMissing) {
  const json::Document bare = make_capability_report({}, host({53, 0}, "kvm crawls here"));
  EXPECT_EQ(json::string_or(bare["accelerator"], "name"), "none");
  EXPECT_THAT(json::string_or(bare["accelerator"], "reason"), testing::HasSubstr("kvm crawls here"));
  EXPECT_THAT(json::string_or(bare["capabilities"]["kernel_boot"], "reason"), testing::HasSubstr("kvm crawls here"));
  EXPECT_EQ(answer(bare, "kernel_boot"), "needs");
  EXPECT_EQ(answer(bare, "firmware"), "needs");
  EXPECT_EQ(answer(bare, "network_user"), "no");
  Settings settings;
  settings.firmware = "/CLOUDHV.fd";
  const json::Document full = make_capability_report(settings, host({53, 0}));
  EXPECT_EQ(answer(full, "kernel_boot"), "yes");
  EXPECT_EQ(json::string_or(full["accelerator"], "name"), "kvm");
  EXPECT_EQ(answer(full, "firmware"), "yes");
  EXPECT_EQ(answer(full, "save"), "yes");
  EXPECT_FALSE(full["capabilities"].HasMember("disk_chain"));
  EXPECT_EQ(answer(make_capability_report({}, host({52, 0})), "disk_chain"), "needs");
}

TEST(CloudHypervisorReport, AQcow2DiskIsCompleteOnlyOnceTheVmmHasEnded) {
  HostFacts facts = host({53, 0});
  facts.writes_qcow2 = true;
  EXPECT_EQ(answer(make_capability_report({}, facts), "save"), "no");
}

TEST(CloudHypervisorReport, LandlockKeepsDisksOut) {
  Settings open;
  open.sandbox = false;
  EXPECT_EQ(answer(make_capability_report({}, host({53, 0})), "hotplug_disk"), "no");
  EXPECT_EQ(answer(make_capability_report(open, host({53, 0})), "hotplug_disk"), "yes");
  EXPECT_EQ(answer(make_capability_report({}, host({40, 0})), "hotplug_disk"), "yes");
}

TEST(CloudHypervisorSettings, AreRead) {
  const Settings settings = parse_settings(R"({"binary":"/x","sandbox":false,"memory_restore":"on-demand"})");
  EXPECT_EQ(settings.binary, "/x");
  EXPECT_FALSE(settings.sandbox);
  EXPECT_EQ(settings.memory_restore, MemoryRestore::on_demand);
  EXPECT_EQ(parse_settings("{}").binary, "cloud-hypervisor");
  EXPECT_TRUE(parse_settings("{}").sandbox);
  EXPECT_FALSE(parse_settings("{}").believe_kvm);
  EXPECT_TRUE(parse_settings(R"({"accelerator":"kvm"})").believe_kvm);
  EXPECT_THROW(parse_settings(R"({"accelerator":"tcg"})"), sdk::Failure);
  EXPECT_THROW(parse_settings(R"({"memory_restore":"later"})"), sdk::Failure);
  EXPECT_THROW(parse_settings("[]"), sdk::Failure);
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
