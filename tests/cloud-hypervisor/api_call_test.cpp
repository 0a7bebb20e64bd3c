// SPDX-License-Identifier: MIT
#include "api_call.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "socket_server.hpp"
#include "test_context.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

using namespace std::chrono_literals;
using test::Piece;
using test::SocketServer;
using test::TestContext;
using ::testing::HasSubstr;
using Method = ApiCall::Method;

const std::string no_content = "HTTP/1.1 204 \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n\r\n";

std::string reply_of(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + " \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n" +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// How a call to that server ends.
struct Ended {
  anyvisor_status status = ANYVISOR_OK;
  std::string body, message;
};

Ended ends(std::vector<Piece> reply, bool hold = true, std::chrono::milliseconds limit = 5s) {
  SocketServer server(std::move(reply), hold);
  ApiCall call(server.connect(), Method::get, "vm.info");
  Ended ended;
  try {
    ended.body = call.finish(TestContext(limit).get());
  } catch (const sdk::Failure& failure) {
    ended.status = failure.status();
    ended.message = failure.what();
  }
  return ended;
}

TEST(ApiCall, SendsWhatIsAskedFor) {
  SocketServer get({{reply_of("200", R"({"version":"v53.0"})")}}, true);
  json::Document reply = ApiCall(get.connect(), Method::get, "vmm.ping").finish_object(TestContext().get());
  EXPECT_EQ(json::string_or(reply, "version"), "v53.0");
  EXPECT_EQ(get.heard(), "GET /api/v1/vmm.ping HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");

  SocketServer put({{no_content}}, true);
  EXPECT_EQ(ApiCall(put.connect(), Method::put, "vm.create", R"({"cpus":{}})").finish(TestContext().get()), "");
  EXPECT_THAT(put.heard(), ::testing::StartsWith("PUT /api/v1/vm.create HTTP/1.1\r\n"));
  EXPECT_THAT(put.heard(), HasSubstr("Content-Length: 11\r\n"));
  EXPECT_THAT(put.heard(), ::testing::EndsWith("\r\n\r\n{\"cpus\":{}}"));

  SocketServer bare({{no_content}}, true);
  ApiCall(bare.connect(), Method::put, "vm.boot").finish(TestContext().get());
  EXPECT_THAT(bare.heard(), ::testing::Not(HasSubstr("Content-")));
}

TEST(ApiCall, TakesAReplyThatIsCutAnywhere) {
  const std::string whole = reply_of("200", R"({"state":"Running"})");
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    const Ended ended = ends({{whole.substr(0, cut)}, {whole.substr(cut), 1ms}});
    ASSERT_EQ(ended.status, ANYVISOR_OK) << "cut at " << cut << ": " << ended.message;
    ASSERT_EQ(ended.body, R"({"state":"Running"})") << "cut at " << cut;
  }
}

TEST(ApiCall, TakesAReplyByteByByte) {
  std::vector<Piece> pieces;
  for (char byte : reply_of("200", R"({"state":"Paused"})")) pieces.push_back({std::string(1, byte)});
  EXPECT_EQ(ends(std::move(pieces)).body, R"({"state":"Paused"})");
}

TEST(ApiCall, AReplyThatEndsTooSoonIsALostConnection) {
  const std::string whole = reply_of("200", R"({"state":"Running"})");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const Ended ended = ends({{whole.substr(0, cut)}}, false);
    ASSERT_EQ(ended.status, ANYVISOR_UNAVAILABLE) << "cut at " << cut;
    ASSERT_THAT(ended.message, HasSubstr("vm.info")) << "cut at " << cut;
  }
}

TEST(ApiCall, AReplyThatStopsIsATimeOut) {
  const std::string whole = reply_of("200", R"({"state":"Running"})");
  for (std::size_t cut : {std::size_t{0}, std::size_t{5}, whole.size() - 1}) {
    const auto begin = std::chrono::steady_clock::now();
    const Ended ended = ends({{whole.substr(0, cut)}}, true, 60ms);
    EXPECT_EQ(ended.status, ANYVISOR_TIMEOUT) << "cut at " << cut;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  }
}

TEST(ApiCall, ALateReplyCountsWhileThereIsTime) {
  EXPECT_EQ(ends({{reply_of("200", "{}"), 150ms}}).body, "{}");
  EXPECT_EQ(ends({{reply_of("200", "{}"), 400ms}}, true, 50ms).status, ANYVISOR_TIMEOUT);
}

TEST(ApiCall, CanBeCancelled) {
  SocketServer server({}, true);
  ApiCall call(server.connect(), Method::get, "vm.info");
  const Descriptor cancel(::eventfd(1, EFD_CLOEXEC));
  TestContext context;
  context.set_cancel_fd(cancel.get());
  try {
    call.finish(context.get());
    FAIL() << "it was not cancelled";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_CANCELLED);
  }
}

TEST(ApiCall, WhatIsNoHttpIsToldSo) {
  for (const std::string garbage :
       {"QMP greets you\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\0\0\0\0", "HTTP/1.1 200 \r\nContent-Length: -4\r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}"}) {
    const Ended ended = ends({{garbage + std::string(4, 'x')}}, false);
    EXPECT_THAT(ended.status, ::testing::AnyOf(ANYVISOR_BACKEND_FAILED, ANYVISOR_UNAVAILABLE)) << garbage;
    EXPECT_THAT(ended.message, HasSubstr("vm.info"));
  }
  EXPECT_EQ(ends({{"QMP greets you\r\n\r\n"}}).status, ANYVISOR_BACKEND_FAILED);
}

TEST(ApiCall, NoReplyIsLongerThanItsLimit) {
  EXPECT_EQ(ends({{"HTTP/1.1 200 \r\nX: " + std::string(longest_reply_head, 'x') + "\r\n\r\n"}}).status,
            ANYVISOR_BACKEND_FAILED);
  EXPECT_EQ(ends({{"HTTP/1.1 200 \r\nContent-Length: 99999999999\r\n\r\n"}}).status, ANYVISOR_BACKEND_FAILED);
}

TEST(ApiCall, WrongJsonIsToldSo) {
  for (const char* body : {"", "{", "[]", "null", "not json"}) {
    SocketServer server({{reply_of("200", body)}}, true);
    ApiCall call(server.connect(), Method::get, "vm.info");
    try {
      call.finish_object(TestContext().get());
      FAIL() << body;
    } catch (const sdk::Failure& failure) {
      EXPECT_EQ(failure.status(), ANYVISOR_BACKEND_FAILED);
      EXPECT_THAT(failure.what(), HasSubstr("no JSON object"));
    }
  }
}

TEST(ApiCall, ErrorsSayWhatTheVmmSays) {
  const Ended list = ends({{reply_of("500", R"(["Error from API","The VM could not boot","No kernel"])")}});
  EXPECT_EQ(list.status, ANYVISOR_BACKEND_FAILED);
  EXPECT_EQ(list.message, "Cloud Hypervisor refuses vm.info: Error from API: The VM could not boot: No kernel");
  EXPECT_THAT(ends({{reply_of("500", "VmBoot(VmNotCreated)")}}).message, HasSubstr("VmBoot(VmNotCreated)"));
  EXPECT_EQ(ends({{reply_of("404", R"(["VM is not created"])")}}).status, ANYVISOR_INVALID_STATE);
  EXPECT_EQ(ends({{reply_of("429", "")}}).status, ANYVISOR_BUSY);
  EXPECT_THAT(ends({{reply_of("400", "")}}).message, HasSubstr("HTTP status 400"));
}

TEST(ApiCall, PassesOverAnInterimReply) {
  EXPECT_EQ(ends({{"HTTP/1.1 100 \r\n\r\n"}, {reply_of("200", "{}"), 5ms}}).body, "{}");
  EXPECT_EQ(ends({{"HTTP/1.1 100 \r\n\r\n" + reply_of("200", "{}")}}).body, "{}");
}

TEST(ApiCall, ARefusalIsHeardThoughTheRequestIsNot) {
  // More than a socket takes, and a peer that answers without reading it.
  SocketServer server({{reply_of("400", R"(["too long"])")}}, false, false);
  ApiCall call(server.connect(), Method::put, "vm.create", std::string(8 << 20, ' '));
  try {
    call.finish(TestContext().get());
    FAIL();
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.http_status(), 400u);
  } catch (const ConnectionLost&) {
    // The kernel may drop the answer together with what was not read.
  }
}

}  // namespace
}  // namespace anyvisor::cloud_hypervisor
