// SPDX-License-Identifier: MIT
// The protocol itself: hellos, versions, races of starters, lines that are none.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "host_fixture.hpp"
#include "storage/lock.hpp"

namespace host_test {
namespace {

using Clock = std::chrono::steady_clock;

LineChannel raw_connection(const std::string& folder) {
  auto folder_fd = open_folder(folder);
  auto socket = connect_in_folder(folder_fd->get(), "host.sock");
  EXPECT_TRUE(socket) << socket.error().message;
  return LineChannel(std::move(*socket));
}

void send_text(LineChannel& channel, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(channel.fd(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // it has hung up already
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// What is left until the other side hangs up.
bool hangs_up(LineChannel& channel) {
  const auto deadline = Clock::now() + patience;
  while (true) {
    auto line = channel.receive(deadline);
    if (!line) return line.error().kind != ErrorKind::timeout;
  }
}

TEST_F(HostTest, TheServerSpeaksFirst) {
  auto client = connect();
  LineChannel raw = raw_connection(folder_);
  auto hello = raw.receive(Clock::now() + patience);
  ASSERT_TRUE(hello);
  const auto* body = json::object_or_null(*hello, "hello");
  ASSERT_TRUE(body);
  EXPECT_EQ(json::int_or(*body, "protocol", 0), 1);
  EXPECT_EQ(json::string_or(*body, "version"), ANYVISOR_VERSION);
  EXPECT_FALSE(json::string_or(*body, "build").empty());
  EXPECT_EQ(json::int_or(*body, "pid", 0), client.pid());
}

TEST_F(HostTest, WithoutAHelloNothingIsAnsweredButRetire) {
  auto client = connect();
  LineChannel raw = raw_connection(folder_);
  const auto deadline = Clock::now() + patience;
  ASSERT_TRUE(raw.receive(deadline));
  ASSERT_TRUE(raw.send(parsed(R"({"id":1,"method":"status"})"), deadline));
  auto refused = raw.receive(deadline);
  ASSERT_TRUE(refused);
  EXPECT_TRUE(json::object_or_null(*refused, "error"));
  ASSERT_TRUE(raw.send(parsed(R"({"id":2,"method":"retire"})"), deadline));
  auto answer = raw.receive(deadline);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(json::object_or_null(*answer, "result"));
  EXPECT_TRUE(eventually([&] { return lock_is_free(); }));
}

TEST_F(HostTest, RetiringLeavesTheVmm) {
  auto client = created();
  const int pid = client.pid();
  call(client, "retire");
  EXPECT_TRUE(eventually([&] { return !is_running(pid) && lock_is_free(); }));
  EXPECT_TRUE(is_running(vmm_));
  auto next = connect();
  EXPECT_EQ(json::string_or(call(next, "machine.attach", attachment()), "state"), "created");
}

TEST_F(HostTest, RetiringWorksWhileACallRuns) {
  auto client = created(R"({"slow_in":"boot"})");
  const int pid = client.pid();
  std::thread other([&] { EXPECT_FALSE(client.call("machine.boot", json::make_object(), patience)); });
  auto second = HostClient::connect(folder_, patience);
  ASSERT_TRUE(second);
  EXPECT_TRUE(eventually([&] { return json::string_or(call(*second, "status"), "busy") == "machine.boot"; }));
  call(*second, "retire");
  EXPECT_TRUE(eventually([&] { return !is_running(pid) && lock_is_free(); }));
  other.join();
  EXPECT_TRUE(is_running(vmm_));
}

// An older plugin-host, as far as a client can tell: another version in the hello; it retires when asked to.
TEST_F(HostTest, AHostOfAnotherVersionIsAskedToRetireAndReplaced) {
  auto folder_fd = open_folder(folder_);
  auto lock = FileLock::acquire(folder_ + "/host.lock", FileLock::Mode::exclusive, milliseconds(0), "the test");
  ASSERT_TRUE(lock);
  auto listener = listen_in_folder(folder_fd->get(), "host.sock");
  ASSERT_TRUE(listener);
  bool retired = false;
  std::thread old([&, held = std::move(*lock), listening = std::move(*listener)]() mutable {
    ::fcntl(listening.get(), F_SETFL, 0);
    LineChannel channel{Fd(::accept(listening.get(), nullptr, nullptr))};
    const auto deadline = Clock::now() + patience;
    EXPECT_TRUE(channel.send(parsed(R"({"hello":{"protocol":1,"version":"0.0.1","build":"","pid":1}})"), deadline));
    while (!retired) {
      auto message = channel.receive(deadline);
      if (!message) break;
      if (json::string_or(*message, "method") != "retire") continue;
      retired = true;
      auto answer = parsed(R"({"result":{}})");
      json::set(answer, answer, "id", json::uint_or(*message, "id", 0));
      EXPECT_TRUE(channel.send(answer, deadline));
    }
    ::unlink((folder_ + "/host.sock").c_str());
    std::this_thread::sleep_for(milliseconds(100));  // it takes a while to end, and holds the lock until then
    FileLock freed = std::move(held);
  });
  auto client = connect();
  old.join();
  EXPECT_TRUE(retired);
  EXPECT_NE(client.pid(), ::getpid());
  EXPECT_EQ(json::string_or(call(client, "status"), "state"), "stopped");
}

TEST_F(HostTest, StartersAtOnceEndUpWithTheSameHost) {
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<HostClient>> clients(4);
    for (auto& place : clients)
      threads.emplace_back([&] {
        auto client = HostClient::connect_or_start(program, folder_, {test_backend}, patience);
        ASSERT_TRUE(client) << client.error().message;
        place = std::make_unique<HostClient>(std::move(*client));
      });
    for (auto& thread : threads) thread.join();
    for (const auto& client : clients) {
      ASSERT_TRUE(client);
      EXPECT_EQ(client->pid(), clients.front()->pid());
    }
    hosts_.push_back(clients.front()->pid());
    // The next round may begin while this host still ends.
  }
}

TEST_F(HostTest, NobodyThereIsUnavailable) {
  auto nobody = HostClient::connect(folder_, milliseconds(100));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::unavailable);
}

TEST_F(HostTest, GarbageAndOverlongLinesCostTheirConnectionOnly) {
  auto client = connect();
  for (const std::string& text : {std::string("this is no JSON\n"), std::string("[1,2]\n"), std::string("\xff\xfe{}\n"),
                                  std::string(LineChannel::line_limit + 100, 'x'),
                                  "{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}\n"}) {
    LineChannel raw = raw_connection(folder_);
    ASSERT_TRUE(raw.receive(Clock::now() + patience));
    send_text(raw, text);
    EXPECT_TRUE(hangs_up(raw)) << text.substr(0, 40);
    EXPECT_EQ(json::string_or(call(client, "status"), "state"), "stopped");
  }
}

TEST_F(HostTest, RequestsThatAreNoneAreRefusedAndTheConnectionGoesOn) {
  auto client = connect();
  LineChannel raw = raw_connection(folder_);
  const auto deadline = Clock::now() + patience;
  ASSERT_TRUE(raw.receive(deadline));
  ASSERT_TRUE(raw.send(parsed(R"({"hello":{"protocol":1,"version":")" ANYVISOR_VERSION R"("}})"), deadline));
  for (const char* request :
       {R"({"id":"seven","method":"status"})", R"({"id":1})", R"({"id":1,"method":7})",
        R"({"id":1,"method":"machine.attach","params":[]})", R"({"id":1,"method":"machine.wait","deadline_ms":1})"}) {
    ASSERT_TRUE(raw.send(parsed(request), deadline));
    auto answer = raw.receive(deadline);
    ASSERT_TRUE(answer) << request;
    EXPECT_TRUE(json::object_or_null(*answer, "error")) << request << " " << json::render(*answer);
  }
  ASSERT_TRUE(raw.send(parsed(R"({"cancel":99})"), deadline));
  ASSERT_TRUE(raw.send(parsed(R"({"id":5,"method":"status","deadline_ms":-4})"), deadline));
  auto answer = raw.receive(deadline);
  ASSERT_TRUE(answer);
  EXPECT_EQ(json::uint_or(*answer, "id", 0), 5U);
}

TEST_F(HostTest, CancellingEndsAWaitAtOnce) {
  auto client = created();
  LineChannel raw = raw_connection(folder_);
  const auto deadline = Clock::now() + patience;
  ASSERT_TRUE(raw.receive(deadline));
  ASSERT_TRUE(raw.send(parsed(R"({"hello":{"protocol":1,"version":")" ANYVISOR_VERSION R"("}})"), deadline));
  ASSERT_TRUE(raw.send(
      parsed(R"({"id":3,"method":"machine.wait","params":{"states":["stopped"]},"deadline_ms":600000})"), deadline));
  ASSERT_TRUE(raw.send(parsed(R"({"cancel":3})"), deadline));
  auto answer = raw.receive(deadline);
  ASSERT_TRUE(answer);
  const auto* error = json::object_or_null(*answer, "error");
  ASSERT_TRUE(error) << json::render(*answer);
  EXPECT_EQ(json::string_or(*error, "kind"), "cancelled");
}

}  // namespace
}  // namespace host_test
