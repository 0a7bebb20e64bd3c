// SPDX-License-Identifier: MIT
#include "firmware.hpp"
#include "vmm_fixture.hpp"

namespace anyvisor::qemu::test {
namespace {

class FirmwareTest : public VmmTest {
 protected:
  std::string variables() const { return folder_ / "nvram.fd"; }
};

TEST_F(FirmwareTest, UefiBootsWithVariablesOfItsOwn) {
  if (!find_firmware(Settings())) GTEST_SKIP() << "OVMF is not installed";
  attach(document_booting(R"({"method":"firmware","firmware":"uefi","variables":")" + variables() + R"("})"));
  EXPECT_EQ(json::string_or(call(&sdk::Machine::create)["hardware"], "firmware"), "uefi");
  EXPECT_EQ(read_text(variables()).size(), fs::file_size(find_firmware(Settings())->variables));
  call(&sdk::Machine::boot);
  EXPECT_TRUE(soon([&] { return console().find("BdsDxe") != std::string::npos; }, 30s)) << console();
}

TEST_F(FirmwareTest, VariablesThatAreThereAreKept) {
  auto firmware = find_firmware(Settings());
  if (!firmware) GTEST_SKIP() << "OVMF is not installed";
  EXPECT_EQ(prepare_firmware(Settings(), variables()).code, firmware->code);
  {
    std::fstream file(variables(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file << "mine";
  }
  prepare_firmware(Settings(), variables());
  EXPECT_EQ(read_text(variables()).substr(100, 4), "mine");
  EXPECT_FALSE(fs::exists(variables() + ".new"));
}

TEST_F(FirmwareTest, TheCodeFollowsTheVariables) {
  const std::string small = "/usr/share/OVMF/OVMF_VARS.fd";
  if (!fs::exists(small)) GTEST_SKIP() << "OVMF of 2 MiB is not installed";
  fs::copy_file(small, variables());
  EXPECT_EQ(prepare_firmware(Settings(), variables()).code, "/usr/share/OVMF/OVMF_CODE.fd");
}

TEST_F(FirmwareTest, VariablesOfNoFirmwareAreRefused) {
  if (!find_firmware(Settings())) GTEST_SKIP() << "OVMF is not installed";
  std::ofstream(variables()) << "too short";
  try {
    prepare_firmware(Settings(), variables());
    FAIL();
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_CORRUPTED);
  }
}

TEST_F(FirmwareTest, AHostWithoutOvmfStillBootsByBios) {
  QemuBackend bare(host_->get(), TestContext().get(),
                   R"({"accelerator":"tcg","firmware_code":"/nowhere/code","firmware_variables":"/nowhere/vars"})");
  auto answer = [&](const char* firmware) {
    json::Document report;
    report.Parse(bare.capabilities(TestContext().get(), std::string(R"({"machine":{"boot":{"method":"firmware",)") +
                                                            R"("firmware":")" + firmware + R"("}}})"));
    return json::string_or(report["capabilities"]["firmware"], "answer");
  };
  EXPECT_EQ(answer("bios"), "yes");
  EXPECT_EQ(answer("uefi"), "needs");
  auto machine = bare.attach(TestContext().get(), document_booting(R"({"method":"firmware","firmware":"uefi"})"));
  try {
    machine->create(TestContext().get(), "{}");
    FAIL() << "a firmware that is not there was found";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_UNAVAILABLE);
    EXPECT_THAT(failure.view().hint, testing::HasSubstr("apt install ovmf"));
  }
}

}  // namespace
}  // namespace anyvisor::qemu::test
