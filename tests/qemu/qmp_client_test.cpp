// SPDX-License-Identifier: MIT
#include "qmp_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "test_context.hpp"

namespace anyvisor::qemu {
namespace {

using namespace std::chrono_literals;
using test::TestContext;

const std::string greeting =
    R"({"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7},"package":"x"},"capabilities":["oob"]}})"
    "\r\n";

// The client on one end of a socket pair, QEMU's words written by hand at the other.
class QmpClientTest : public ::testing::Test {
 protected:
  void SetUp() override { connect(); }
  void connect(std::size_t limit = QmpConnection::default_line_limit) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    qemu_ = Descriptor(ends[0]);
    client_.emplace(QmpConnection(Descriptor(ends[1]), limit));
  }
  void says(const std::string& text) { ASSERT_EQ(::write(qemu_.get(), text.data(), text.size()), std::ssize(text)); }
  std::string heard() {
    char buffer[65536];
    ssize_t got = ::recv(qemu_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
  }
  // Greeted and negotiated; the next command has id 2.
  void negotiate() {
    client_->negotiate();
    says(greeting + R"({"return":{},"id":1})"
                    "\r\n");
  }
  anyvisor_status status_of(QmpClient::CommandId id, std::chrono::milliseconds limit = 1s) {
    try {
      client_->wait(TestContext(limit).get(), id);
    } catch (const sdk::Failure& failure) {
      message_ = failure.what();
      return failure.status();
    }
    return ANYVISOR_OK;
  }

  Descriptor qemu_;
  std::optional<QmpClient> client_;
  std::string message_;
};

TEST_F(QmpClientTest, GreetsNegotiatesAndExecutes) {
  negotiate();
  const auto id = client_->send("query-status");
  says(R"({"return":{"status":"running"},"id":2})"
       "\r\n");
  json::Document reply = client_->wait(TestContext().get(), id);
  EXPECT_EQ(json::string_or(reply, "status"), "running");
  EXPECT_EQ(client_->version(), "7.2.22");
  EXPECT_EQ(heard(), R"({"execute":"qmp_capabilities","id":1})"
                     "\n"
                     R"({"execute":"query-status","id":2})"
                     "\n");
}

TEST_F(QmpClientTest, SendsArguments) {
  negotiate();
  client_->send("qom-get", R"({"path":"/machine","property":"type"})");
  client_->flush(TestContext().get());
  EXPECT_THAT(heard(),
              testing::HasSubstr(R"({"execute":"qom-get","arguments":{"path":"/machine","property":"type"},"id":2})"));
}

TEST_F(QmpClientTest, TakesRepliesOutOfOrder) {
  negotiate();
  const auto first = client_->send("one"), second = client_->send("two"), third = client_->send("three");
  says(R"({"id":4,"return":{"n":3}})"
       "\n"
       R"({"id":2,"return":{"n":1}})"
       "\n"
       R"({"id":3,"return":{"n":2}})"
       "\n");
  EXPECT_EQ(json::int_or(client_->wait(TestContext().get(), first), "n", 0), 1);
  EXPECT_EQ(json::int_or(client_->wait(TestContext().get(), third), "n", 0), 3);
  EXPECT_EQ(json::int_or(client_->wait(TestContext().get(), second), "n", 0), 2);
}

TEST_F(QmpClientTest, KeepsEventsThatComeBeforeBetweenAndAfterReplies) {
  client_->negotiate();
  says(greeting + R"({"event":"RESUME","timestamp":{}})"
                  "\r\n"
                  R"({"return":{},"id":1})"
                  "\r\n"
                  R"({"event":"STOP"})"
                  "\r\n");
  const auto id = client_->send("stop");
  says(R"({"return":{},"id":2})"
       "\r\n"
       R"({"event":"SHUTDOWN","data":{"guest":true}})"
       "\r\n");
  client_->wait(TestContext().get(), id);
  client_->drain();
  std::vector<std::string> names;
  while (client_->has_events()) names.push_back(client_->take_event().name);
  EXPECT_THAT(names, testing::ElementsAre("RESUME", "STOP", "SHUTDOWN"));
}

TEST_F(QmpClientTest, ARefusalNamesCommandAndReason) {
  negotiate();
  const auto id = client_->send("blockdev-add");
  says(R"({"id":2,"error":{"class":"GenericError","desc":"no such node"}})"
       "\n");
  EXPECT_EQ(status_of(id), ANYVISOR_BACKEND_FAILED);
  EXPECT_EQ(message_, "QEMU refused blockdev-add: no such node");
  const auto next = client_->send("query-status");
  says(R"({"id":3,"return":{}})"
       "\n");
  EXPECT_EQ(status_of(next), ANYVISOR_OK) << "a refusal does not end the conversation";
}

TEST_F(QmpClientTest, TimesOutAndDropsTheLateReply) {
  negotiate();
  const auto late = client_->send("slow");
  EXPECT_EQ(status_of(late, 30ms), ANYVISOR_TIMEOUT);
  const auto next = client_->send("quick");
  says(R"({"return":{"late":1},"id":2})"
       "\n"
       R"({"return":{"n":7},"id":3})"
       "\n");
  EXPECT_EQ(json::int_or(client_->wait(TestContext().get(), next), "n", 0), 7);
}

TEST_F(QmpClientTest, TimesOutWithoutAGreeting) {
  client_->negotiate();
  EXPECT_EQ(status_of(client_->send("query-status"), 30ms), ANYVISOR_TIMEOUT);
}

TEST_F(QmpClientTest, IsCancelledWhileItWaits) {
  negotiate();
  const auto id = client_->send("slow");
  Descriptor cancel(::eventfd(0, EFD_CLOEXEC));
  std::thread canceller([&] {
    std::this_thread::sleep_for(20ms);
    std::uint64_t one = 1;
    EXPECT_EQ(::write(cancel.get(), &one, sizeof one), 8);
  });
  TestContext context(5s);
  context.set_cancel_fd(cancel.get());
  try {
    client_->wait(context.get(), id);
    ADD_FAILURE() << "was not cancelled";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_CANCELLED);
  }
  canceller.join();
}

TEST_F(QmpClientTest, AClosedConnectionIsLost) {
  negotiate();
  const auto id = client_->send("query-status");
  client_->flush(TestContext().get());
  qemu_.reset();
  EXPECT_THROW(client_->wait(TestContext().get(), id), ConnectionLost);
}

TEST_F(QmpClientTest, WaitsForTheEndOfTheConnection) {
  negotiate();
  client_->send("quit");
  says(R"({"event":"SHUTDOWN","data":{"guest":false,"reason":"host-qmp-quit"}})"
       "\n"
       R"({"return":{},"id":2})"
       "\n");
  client_->flush(TestContext().get());
  heard();
  qemu_.reset();
  EXPECT_NO_THROW(client_->wait_closed(TestContext().get()));
}

TEST_F(QmpClientTest, WaitsForAnEvent) {
  negotiate();
  says(R"({"event":"STOP"})"
       "\n"
       R"({"event":"RESET","data":{"guest":false}})"
       "\n");
  client_->wait_event(TestContext().get(), "RESET");
  EXPECT_EQ(client_->take_event().name, "STOP") << "what came before stays";
  EXPECT_THROW(client_->wait_event(TestContext(20ms).get(), "RESUME"), sdk::Failure);
}

TEST_F(QmpClientTest, MalformedLinesEndTheConversation) {
  for (const char* line : {"no json", "[1,2]", "{\"return\":", "{}", R"({"return":{},"id":99})", R"({"return":{}})",
                           R"({"event":5})", R"({"error":{"class":"GenericError","desc":"x"}})", "\xff\xfe"}) {
    connect();
    negotiate();
    const auto id = client_->send("query-status");
    says(std::string(line) + "\n");
    EXPECT_THROW(client_->wait(TestContext().get(), id), ConnectionLost) << line;
  }
}

TEST_F(QmpClientTest, AnswersBeforeTheGreetingAreMalformed) {
  client_->negotiate();
  const auto id = client_->send("query-status");
  says(R"({"return":{},"id":1})"
       "\n");
  EXPECT_THROW(client_->wait(TestContext().get(), id), ConnectionLost);
}

TEST_F(QmpClientTest, DeepNestingDoesNotExhaustTheStack) {
  negotiate();
  const auto id = client_->send("query-status");
  std::thread peer([&] { says(std::string(200'000, '[') + "\n"); });
  EXPECT_THROW(client_->wait(TestContext().get(), id), ConnectionLost);
  peer.join();
}

TEST_F(QmpClientTest, OverlongLinesEndTheConversation) {
  for (const char* end : {"", "\n"}) {
    connect(1000);
    negotiate();
    const auto id = client_->send("query-status");
    says(R"({"event":")" + std::string(1100, 'x') + end);
    EXPECT_THROW(client_->wait(TestContext().get(), id), ConnectionLost);
  }
}

TEST_F(QmpClientTest, LinesMayArriveByteByByte) {
  client_->negotiate();
  const auto id = client_->send("query-status");
  const std::string all = greeting + R"({"return":{},"id":1})"
                                     "\r\n"
                                     R"({"return":{"status":"paused"},"id":2})"
                                     "\r\n";
  std::thread peer([&] {
    for (char byte : all) says(std::string(1, byte));
  });
  EXPECT_EQ(json::string_or(client_->wait(TestContext().get(), id), "status"), "paused");
  peer.join();
}

TEST_F(QmpClientTest, LargeCommandsAreSentWholeThoughThePeerReadsSlowly) {
  negotiate();
  const std::string text(3'000'000, 'a');
  const auto id = client_->send("big", R"({"x":")" + text + R"("})");
  std::size_t received = 0;
  std::thread peer([&] {
    char buffer[65536];
    while (received < text.size() + 10) {
      ssize_t got = ::recv(qemu_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) break;
      received += static_cast<std::size_t>(got);
    }
    says(R"({"return":{},"id":2})"
         "\n");
  });
  client_->wait(TestContext(5s).get(), id);
  peer.join();
  EXPECT_GT(received, text.size());
}

}  // namespace
}  // namespace anyvisor::qemu
