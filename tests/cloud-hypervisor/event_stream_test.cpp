// SPDX-License-Identifier: MIT
#include "event_stream.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace anyvisor::cloud_hypervisor {
namespace {

const std::string booted =
    "{\n  \"timestamp\": {\n    \"secs\": 0,\n    \"nanos\": 1\n  },\n  \"source\": \"vm\",\n"
    "  \"event\": \"booted\",\n  \"properties\": null\n}\n\n";
const std::string off = "{\n  \"source\": \"vm\",\n  \"event\": \"shutdown\"\n}\n\n";

class EventStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    events_ = EventStream(Descriptor(ends[0]));
    vmm_ = Descriptor(ends[1]);
  }
  void says(const std::string& text) { ASSERT_EQ(::write(vmm_.get(), text.data(), text.size()), std::ssize(text)); }

  EventStream events_;
  Descriptor vmm_;
};

TEST_F(EventStreamTest, TellsWholeEventsInTheirOrder) {
  EXPECT_TRUE(events_.drain().empty());
  says(booted + off);
  const auto events = events_.drain();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].source, "vm");
  EXPECT_EQ(events[0].name, "booted");
  EXPECT_EQ(events[1].name, "shutdown");
  EXPECT_TRUE(events_.drain().empty());
}

TEST_F(EventStreamTest, WaitsForTheRestOfOne) {
  for (std::size_t cut = 1; cut < off.size(); ++cut) {
    says(off.substr(0, cut));
    EXPECT_TRUE(events_.drain().empty()) << cut;
    says(off.substr(cut));
    EXPECT_EQ(events_.drain().size(), 1u) << cut;
  }
}

TEST_F(EventStreamTest, PassesOverOneThatWasLostInPart) {
  says(booted.substr(0, 40) + "\n\n" + off);
  ASSERT_EQ(events_.drain().size(), 1u);
}

TEST_F(EventStreamTest, EndsWithTheVmm) {
  says(off);
  vmm_.reset();
  EXPECT_EQ(events_.drain().size(), 1u);
  EXPECT_EQ(events_.fd(), -1);
  EXPECT_TRUE(events_.drain().empty());
  EXPECT_EQ(EventStream().fd(), -1);
}

TEST_F(EventStreamTest, GivesUpOnWhatHasNoEnd) {
  for (int i = 0; i < 20 && events_.fd() >= 0; ++i) {
    says(std::string(8192, 'x'));
    EXPECT_TRUE(events_.drain().empty());
  }
  EXPECT_EQ(events_.fd(), -1);
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
