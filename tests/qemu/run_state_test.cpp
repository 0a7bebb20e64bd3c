// SPDX-License-Identifier: MIT
#include "run_state.hpp"

#include <gtest/gtest.h>

#include "machine_document.hpp"

namespace anyvisor::qemu {
namespace {

QmpEvent event(const char* name, const char* data = "{}") {
  return {name, parse_object(data, "data")};
}

TEST(RunState, EveryStatusOfQemuHasAState) {
  const std::pair<const char*, const char*> expected[] = {
      {"prelaunch", "created"}, {"inmigrate", "created"},       {"running", "running"},        {"suspended", "running"},
      {"paused", "paused"},     {"io-error", "paused"},         {"watchdog", "paused"},        {"debug", "paused"},
      {"save-vm", "paused"},    {"finish-migrate", "paused"},   {"postmigrate", "paused"},     {"restore-vm", "paused"},
      {"shutdown", "shutdown"}, {"guest-panicked", "shutdown"}, {"internal-error", "unknown"}, {"colo", "unknown"}};
  for (auto [status, state] : expected) EXPECT_EQ(from_status(status).state, state) << status;
  EXPECT_NE(from_status("something new").reason.find("something new"), std::string::npos);
}

TEST(RunState, FollowsStopAndResume) {
  RunState state;
  state.set({"running", {}});
  EXPECT_TRUE(state.apply(event("STOP")));
  EXPECT_EQ(state.now(), (Observed{"paused", ""}));
  EXPECT_TRUE(state.apply(event("RESUME")));
  EXPECT_EQ(state.now().state, "running");
  EXPECT_FALSE(state.apply(event("RTC_CHANGE")));
}

TEST(RunState, AGuestThatPowersOffIsShutDownAndNotPaused) {
  RunState state;
  state.set({"running", {}});
  EXPECT_TRUE(state.apply(event("SHUTDOWN", R"({"guest":true,"reason":"guest-shutdown"})")));
  EXPECT_FALSE(state.apply(event("STOP")));
  EXPECT_EQ(state.now().state, "shutdown");
  state.apply(event("RESET"));
  state.apply(event("RESUME"));
  EXPECT_EQ(state.now().state, "running");
}

TEST(RunState, AnEndFromOutsideIsNoShutdownOfTheGuest) {
  RunState state;
  state.set({"running", {}});
  EXPECT_FALSE(state.apply(event("SHUTDOWN", R"({"guest":false,"reason":"host-qmp-quit"})")));
  EXPECT_EQ(state.now().state, "running");
}

TEST(RunState, AFullHostDiskPausesWithTheReason) {
  RunState state;
  state.set({"running", {}});
  EXPECT_FALSE(state.apply(event("BLOCK_IO_ERROR", R"({"action":"stop","nospace":true,"operation":"write"})")));
  EXPECT_TRUE(state.apply(event("STOP")));
  EXPECT_EQ(state.now(), (Observed{"paused", "host disk full"}));
  state.set(from_status("io-error"));
  EXPECT_EQ(state.now().reason, "host disk full") << "the more telling reason stays";
  state.apply(event("RESUME"));
  state.apply(event("STOP"));
  EXPECT_EQ(state.now().reason, "") << "an old reason does not come back";
}

TEST(RunState, AReportedDiskErrorDoesNotPause) {
  RunState state;
  state.set({"running", {}});
  EXPECT_FALSE(state.apply(event("BLOCK_IO_ERROR", R"({"action":"report","nospace":false})")));
  EXPECT_TRUE(state.apply(event("STOP")));
  EXPECT_EQ(state.now().reason, "");
}

TEST(RunState, APanicIsAShutdownWithItsReason) {
  RunState state;
  state.set({"running", {}});
  EXPECT_TRUE(state.apply(event("GUEST_PANICKED", R"({"action":"pause"})")));
  state.apply(event("STOP"));
  EXPECT_EQ(state.now(), (Observed{"shutdown", "the guest panicked"}));
}

TEST(RunState, RendersTheReasonOnlyWhenThereIsOne) {
  EXPECT_EQ(render({"running", ""}), R"({"state":"running"})");
  EXPECT_EQ(render({"paused", "x"}), R"({"state":"paused","reason":"x"})");
}

}  // namespace
}  // namespace anyvisor::qemu
