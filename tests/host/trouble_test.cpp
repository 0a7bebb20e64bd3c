// SPDX-License-Identifier: MIT
// Plugins that crash, hang or fail: their plugin-host is what they cost, never the client and never the VMM.
#include <signal.h>

#include <thread>

#include "host_fixture.hpp"

namespace host_test {
namespace {

using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

const std::string crash_loading = BAD_PLUGINS "/anyvisor-crash-loading.so";
const std::string hang_loading = BAD_PLUGINS "/anyvisor-hang-loading.so";

TEST_F(HostTest, APluginThatCrashesWhileLoadingIsReported) {
  auto client = HostClient::start_private(program, {crash_loading});
  if (!client) {  // it was quicker than the hello
    EXPECT_EQ(client.error().kind, ErrorKind::backend_failed);
    return;
  }
  const Error error = error_of(*client, "plugins");
  EXPECT_EQ(error.kind, ErrorKind::backend_failed);
  EXPECT_THAT(error.message, HasSubstr("signal 11"));
}

TEST_F(HostTest, APluginThatNeverReturnsFromLoadingIsReportedWithinFiveSeconds) {
  const auto start = Clock::now();
  auto client = HostClient::start_private(program, {hang_loading});
  ASSERT_TRUE(client) << client.error().message;
  auto answer = client->call("plugins", json::make_object(), seconds(10));
  EXPECT_LT(Clock::now() - start, seconds(5));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::timeout);
  EXPECT_THAT(answer.error().message, HasSubstr("anyvisor-hang-loading.so"));
  EXPECT_TRUE(eventually([&] { return !is_running(client->pid()); }));
}

TEST_F(HostTest, ACallThatIgnoresItsDeadlineCostsTheHostAndNotTheVmm) {
  auto client = created(R"({"hang_in":"boot"})");
  const int pid = client.pid();
  const Error error = error_of(client, "machine.boot", "{}", milliseconds(300));
  EXPECT_EQ(error.kind, ErrorKind::timeout);
  EXPECT_THAT(error.message, HasSubstr("test-backend"));
  EXPECT_THAT(error.message, HasSubstr("machine.boot"));
  EXPECT_TRUE(eventually([&] { return !is_running(pid) && lock_is_free(); }));
  EXPECT_TRUE(is_running(vmm_));
  auto next = connect();
  EXPECT_EQ(json::string_or(call(next, "machine.attach", attachment()), "state"), "created");
}

TEST_F(HostTest, StatusAnswersWhileACallHangs) {
  auto client = created(R"({"slow_in":"boot","slow_ms":3000})");
  std::thread other([&] { static_cast<void>(client.call("machine.boot", json::make_object(), patience)); });
  auto second = HostClient::connect(folder_, patience);
  ASSERT_TRUE(second);
  EXPECT_TRUE(eventually([&] { return json::string_or(call(*second, "status"), "busy") == "machine.boot"; }));
  const auto start = Clock::now();
  call(*second, "status");
  EXPECT_LT(Clock::now() - start, seconds(1));
  other.join();
}

TEST_F(HostTest, ACrashInACallIsReportedAndTheVmmLives) {
  auto client = created(R"({"crash_in":"boot"})");
  const Error error = error_of(client, "machine.boot");
  EXPECT_EQ(error.kind, ErrorKind::backend_failed);
  EXPECT_THAT(error.message, HasSubstr("machine.boot"));
  EXPECT_TRUE(is_running(vmm_));
  EXPECT_TRUE(eventually([&] { return lock_is_free(); }));
  auto next = connect();
  EXPECT_EQ(json::string_or(call(next, "machine.attach", attachment()), "state"), "created");
}

TEST_F(HostTest, AFailedCreateLeavesNoVmm) {
  auto client = connect();
  call(client, "machine.attach", attachment(R"({"fail_in":"create"})"));
  const Error error = error_of(client, "machine.create", R"({"endpoints":[]})");
  EXPECT_EQ(error.kind, ErrorKind::backend_failed);
  EXPECT_EQ(json::string_or(call(client, "status"), "state"), "stopped");
  auto left = read_process_record(folder_);
  if (left) {
    EXPECT_TRUE(left->exit);
    EXPECT_FALSE(is_running(left->process.pid));
  }
}

TEST_F(HostTest, AFailureArrivesWhole) {
  auto client = created(R"({"fail_in":"boot","status":10})");
  const Error error = error_of(client, "machine.boot");
  EXPECT_EQ(error.kind, ErrorKind::exhausted);
  EXPECT_EQ(error.field, "/test");
  EXPECT_EQ(error.hint, "take fail_in out of its settings");
}

TEST_F(HostTest, ManyClientsAtOnceEachGetTheirOwnAnswers) {
  auto client = created();
  call(client, "machine.boot");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      auto own = HostClient::connect(folder_, patience);
      ASSERT_TRUE(own);
      for (int turn = 0; turn < 20; ++turn) {
        EXPECT_EQ(json::string_or(call(*own, turn % 2 ? "status" : "machine.state"), "state"), "running");
        call(*own, "logs.rotate");
      }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace host_test
