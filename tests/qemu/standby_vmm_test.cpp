// SPDX-License-Identifier: MIT
// The guest's counter, kept only in its memory, goes on at exactly the next number.
#include <sys/resource.h>

#include "saved_memory.hpp"
#include "vmm_fixture.hpp"

namespace anyvisor::qemu::test {
namespace {

class StandbyTest : public VmmTest {
 protected:
  void SetUp() override {
    VmmTest::SetUp();
    saved_ = folder_ / "saved";
    fs::create_directories(saved_);
  }
  std::string request(bool durable = true, const std::string& label = "here 1") const {
    return R"({"folder":")" + saved_.string() + R"(","label":")" + label + R"(","durable":)" +
           (durable ? "true" : "false") + "}";
  }
  // Running, having counted a little.
  void start() {
    attach(document("tiny.elf"));
    hardware_ = json::render(call(&sdk::Machine::create)["hardware"]);
    call(&sdk::Machine::boot);
    ASSERT_TRUE(soon([&] { return lines() >= 3; })) << read_text(folder_ / "logs/vmm.log");
  }
  json::Document save(bool durable = true, const std::string& label = "here 1") {
    call(&sdk::Machine::pause);
    return call(&sdk::Machine::save, request(durable, label));
  }
  void end_vmm() {
    call(&sdk::Machine::terminate);
    ASSERT_TRUE(host_->vmm_ends_within(5s));
  }
  // As the next plugin-host does it: nothing is known but the documents.
  void attach_anew(const std::string& more = {}) { attach(document("tiny.elf", R"(,"hardware":)" + hardware_ + more)); }
  void expect_the_count_goes_on() {
    const std::size_t before = lines();
    ASSERT_TRUE(soon([&] { return lines() >= before + 3; })) << console() << read_text(folder_ / "logs/vmm.log");
    std::istringstream text(console());
    std::string line;
    std::size_t number = 1;
    for (; std::getline(text, line) && line.size() == 8; ++number)
      ASSERT_EQ(std::stoul(line, nullptr, 16), number) << console();
    EXPECT_GT(number, before);
  }
  void restore_and_go_on(const std::string& text) {
    call(&sdk::Machine::restore, text);
    call(&sdk::Machine::resume);
    expect_the_count_goes_on();
  }
  void restore_and_go_on() { restore_and_go_on(request()); }
  std::string refusal(const std::string& text) {
    try {
      call(&sdk::Machine::restore, text);
      return "not refused";
    } catch (const sdk::Failure& failure) {
      EXPECT_FALSE(host_->vmm() > 0 && failure.status() != ANYVISOR_BACKEND_FAILED)
          << "refused only after QEMU was started";
      return failure.what();
    }
  }

  fs::path saved_;
  std::string hardware_;
};

TEST_F(StandbyTest, GoesOnAtTheNextNumberRoundAfterRound) {
  start();
  for (int round = 0; round < 5; ++round) {
    json::Document reply = save();
    EXPECT_EQ(state_of(reply), "paused");
    EXPECT_EQ(json::uint_or(reply["device_state"], "size", 0), fs::file_size(saved_ / "device-state"));
    EXPECT_EQ(json::string_or(reply["memory"], "file"), "memory");
    end_vmm();
    attach_anew();
    EXPECT_EQ(state_of(call(&sdk::Machine::restore, request())), "paused");
    EXPECT_EQ(state_of(call(&sdk::Machine::resume)), "running");
    expect_the_count_goes_on();
  }
  // From the second round on the VMM runs on the file itself.
  EXPECT_EQ(descriptors_of_vmm()[7], (saved_ / "memory").string());
}

TEST_F(StandbyTest, AfterItsSaveTheGuestCanGoOnInstead) {
  start();
  save();
  EXPECT_EQ(state_of(call(&sdk::Machine::resume)), "running");
  expect_the_count_goes_on();
  // And be saved again, with what has come since.
  save(true, "here 2");
  end_vmm();
  attach_anew();
  EXPECT_THAT(refusal(request(true, "here 1")), testing::HasSubstr("another moment"));
  restore_and_go_on(request(true, "here 2"));
}

TEST_F(StandbyTest, AnAdoptedMachineIsSavedToo) {
  start();
  const int vmm = host_->vmm();
  attach_anew();
  call(&sdk::Machine::adopt, R"({"process":{"pid":)" + std::to_string(vmm) + "}}");
  save();
  end_vmm();
  attach_anew();
  restore_and_go_on();
}

TEST_F(StandbyTest, WithoutDurabilityTheMemoryStaysInThisProcess) {
  start();
  save(false);
  EXPECT_FALSE(fs::exists(saved_ / "memory"));
  end_vmm();
  restore_and_go_on(request(false));
  save(false, "here 2");
  end_vmm();
  attach_anew();  // a new machine object, in the same process
  EXPECT_THAT(refusal(request(false, "here 1")), testing::HasSubstr("another moment"));
  restore_and_go_on(request(false, "here 2"));
  // It runs: what was kept is no saved state any more. So it is in a process that never had any.
  end_vmm();
  EXPECT_THAT(refusal(request(false, "here 2")), testing::HasSubstr("kept by a plugin-host that has ended"));
}

TEST_F(StandbyTest, MemoryInAFileFromTheStartGetsItsName) {
  const std::string in_file = R"({"size":67108864,"backing":"file"})";
  std::string text = document("tiny.elf");
  text.replace(text.find(R"({"size":67108864})"), std::string(R"({"size":67108864})").size(), in_file);
  attach(text);
  hardware_ = json::render(call(&sdk::Machine::create)["hardware"]);
  call(&sdk::Machine::boot);
  ASSERT_TRUE(soon([&] { return lines() >= 3; }));
  save();
  end_vmm();
  attach_anew();
  restore_and_go_on();
}

TEST_F(StandbyTest, WhatDoesNotBelongTogetherIsRefusedBeforeQemuStarts) {
  start();
  save();
  end_vmm();
  const fs::path memory = saved_ / "memory", state = saved_ / "device-state";

  attach_anew();
  EXPECT_THAT(refusal(request(true, "there 1")), testing::HasSubstr("another machine"));
  fs::rename(memory, saved_ / "away");
  EXPECT_THAT(refusal(request()), testing::HasSubstr("is missing"));
  fs::copy_file(saved_ / "away", memory);
  fs::resize_file(memory, 4096);
  EXPECT_THAT(refusal(request()), testing::HasSubstr("4096 bytes"));
  fs::rename(saved_ / "away", memory);
  fs::rename(state, saved_ / "away");
  EXPECT_THAT(refusal(request()), testing::HasSubstr("device state is missing or empty"));
  std::ofstream(state).close();
  EXPECT_THAT(refusal(request()), testing::HasSubstr("device state is missing or empty"));
  fs::rename(saved_ / "away", state);

  std::string other = document("tiny.elf", R"(,"hardware":)" + hardware_);
  other.replace(other.find(R"("cpus":1)"), 8, R"("cpus":2)");
  attach(other);
  EXPECT_THAT(refusal(request()), testing::HasSubstr("other hardware: cpus was 1 and is 2"));
  std::string another_cpu = hardware_;
  another_cpu.replace(another_cpu.find(R"("cpu_model":")"), 13, R"("cpu_model":"x)");
  attach(document("tiny.elf", R"(,"hardware":)" + another_cpu));
  EXPECT_THAT(refusal(request()), testing::HasSubstr("cpu_model"));

  // After all of that it is as good as before.
  attach_anew();
  restore_and_go_on();
}

TEST_F(StandbyTest, ATruncatedDeviceStateIsAFailureAndNoRunningGuest) {
  start();
  save();
  end_vmm();
  fs::resize_file(saved_ / "device-state", fs::file_size(saved_ / "device-state") / 2);
  attach_anew();
  EXPECT_NE(refusal(request()), "not refused");
  host_->kill_vmm();
}

TEST_F(StandbyTest, OnAFullDiskTheGuestGoesOn) {
  start();
  const rlimit small{1 << 20, RLIM_INFINITY};
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  call(&sdk::Machine::pause);
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(call(&sdk::Machine::save, request()), sdk::Failure);
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(fs::exists(saved_ / "memory"));
  EXPECT_FALSE(fs::exists(saved_ / "memory.new"));
  call(&sdk::Machine::resume);
  expect_the_count_goes_on();
}

}  // namespace
}  // namespace anyvisor::qemu::test
