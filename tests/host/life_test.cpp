// SPDX-License-Identifier: MIT
// What a plugin-host is there for: a machine's life, its end, another one's taking over.
#include <dirent.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "host_fixture.hpp"

namespace host_test {
namespace {

using testing::HasSubstr;

std::vector<std::string> descriptors_of(int pid) {
  std::vector<std::string> names;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  DIR* directory = ::opendir(folder.c_str());
  while (const auto* entry = directory ? ::readdir(directory) : nullptr)
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  if (directory) ::closedir(directory);
  return names;
}

TEST_F(HostTest, AShortLivedHostTellsItsPluginsAndEndsWithItsClient) {
  int pid = 0;
  {
    auto client = HostClient::start_private(program, {test_backend, plain_c});
    ASSERT_TRUE(client) << client.error().message;
    pid = client->pid();
    const auto answer = call(*client, "plugins");
    const auto* plugins = json::array_or_null(answer, "plugins");
    ASSERT_TRUE(plugins && plugins->Size() == 2) << json::render(answer);
    EXPECT_EQ(json::string_or((*plugins)[0], "id"), "test-backend");
    EXPECT_EQ(json::string_or((*plugins)[1], "id"), "plain-c");
    EXPECT_FALSE(json::find((*plugins)[0], "error"));
    EXPECT_EQ(json::string_or(call(*client, "status"), "state"), "stopped");
    EXPECT_EQ(error_of(*client, "machine.boot").kind, ErrorKind::unsupported);
    EXPECT_EQ(error_of(*client, "no.such_method").kind, ErrorKind::unsupported);
    EXPECT_EQ(json::string_or(call(*client, "machine.wait", R"({"states":["stopped"]})"), "state"), "stopped");
  }
  EXPECT_FALSE(is_running(pid));
  EXPECT_NE(::kill(pid, 0), 0) << "it is reaped, too";
}

TEST_F(HostTest, FromCreatedToStopped) {
  auto client = created();
  const auto status = call(client, "status");
  EXPECT_EQ(json::string_or(status, "state"), "created");
  EXPECT_TRUE(json::bool_or(status, "attached", false));
  ASSERT_TRUE(json::object_or_null(status, "process"));
  EXPECT_EQ(json::int_or(*json::object_or_null(status, "process"), "pid", 0), vmm_);
  EXPECT_EQ(json::string_or(call(client, "machine.boot"), "state"), "running");
  const auto end = call(client, "machine.terminate", R"({"force":false,"grace_ms":10000})");
  EXPECT_EQ(json::string_or(end, "state"), "stopped");
  ASSERT_TRUE(json::object_or_null(end, "exit")) << json::render(end);
  EXPECT_EQ(json::string_or(*json::object_or_null(end, "exit"), "reason"), "ended as asked");
  EXPECT_FALSE(is_running(vmm_));
  EXPECT_NE(::kill(vmm_, 0), 0) << "it is reaped, too";
  ASSERT_TRUE(record().exit);
  EXPECT_EQ(json::string_or(call(client, "machine.terminate", R"({"force":true})"), "state"), "stopped")
      << "twice is fine";
}

TEST_F(HostTest, ForcedTerminateKillsAndSaysSo) {
  auto client = created();
  call(client, "machine.terminate", R"({"force":true})");
  EXPECT_FALSE(is_running(vmm_));
  ASSERT_TRUE(record().exit);
  EXPECT_EQ(record().exit->signal, SIGKILL);
  EXPECT_EQ(record().exit->reason, "killed as asked");
}

TEST_F(HostTest, TheVmmInheritsTheThreeStandardDescriptorsAndNothingElse) {
  auto client = created();
  EXPECT_THAT(descriptors_of(vmm_), testing::UnorderedElementsAre("0", "1", "2"));
}

TEST_F(HostTest, AVmmThatIsKilledIsStoppedWithTheReason) {
  auto client = created();
  ASSERT_EQ(::kill(vmm_, SIGKILL), 0);
  const auto seen = call(client, "machine.wait", R"({"states":["stopped"]})");
  EXPECT_THAT(json::string_or(seen, "reason"), HasSubstr("signal 9"));
  ASSERT_TRUE(record().exit);
  EXPECT_EQ(record().exit->signal, SIGKILL);
  EXPECT_EQ(json::string_or(call(client, "machine.attach", attachment()), "state"), "stopped");
  EXPECT_EQ(json::string_or(call(client, "machine.create", R"({"endpoints":[]})"), "state"), "created")
      << "again, in the same host";
  EXPECT_NE(record().process.pid, vmm_);
  vmm_ = record().process.pid;
}

TEST_F(HostTest, AHostWithoutVmmAndClientEndsAndLeavesNoSocket) {
  int pid = 0;
  {
    auto client = connect();
    pid = client.pid();
    call(client, "status");
  }
  EXPECT_TRUE(eventually([&] { return !is_running(pid) && lock_is_free(); }));
  EXPECT_NE(::access((folder_ + "/host.sock").c_str(), F_OK), 0);
}

TEST_F(HostTest, AHostWithAVmmStaysAndAnswersTheNextClient) {
  int pid = 0;
  {
    auto client = created();
    pid = client.pid();
  }
  std::this_thread::sleep_for(milliseconds(200));
  auto client = HostClient::connect(folder_, patience);
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ(client->pid(), pid);
  EXPECT_EQ(json::string_or(call(*client, "status"), "state"), "created");
}

TEST_F(HostTest, AKilledHostLeavesTheVmmAndTheNextOneTakesItOver) {
  for (const char* state : {"created", "running"}) {
    auto client = created();
    if (std::string(state) == "running") call(client, "machine.boot");
    const int old = client.pid();
    ASSERT_EQ(::kill(old, SIGKILL), 0);
    EXPECT_TRUE(eventually([&] { return lock_is_free(); }));
    EXPECT_TRUE(is_running(vmm_));
    auto next = connect();
    EXPECT_NE(next.pid(), old);
    EXPECT_EQ(json::string_or(call(next, "machine.attach", attachment()), "state"), state);
    EXPECT_EQ(json::string_or(call(next, "machine.attach", attachment()), "state"), state) << "twice is fine";
    call(next, "machine.terminate", R"({"force":true})");
    EXPECT_TRUE(eventually([&] { return !is_running(vmm_); }));
    EXPECT_TRUE(record().exit) << "its end is recorded though nobody could wait for it";
    EXPECT_EQ(record().exit->code, -1);
    ASSERT_EQ(::unlink((folder_ + "/process.json").c_str()), 0);
    call(next, "retire");
    EXPECT_TRUE(eventually([&] { return lock_is_free(); }));
  }
}

TEST_F(HostTest, AnEndThatNobodySawIsRecordedByTheNextHost) {
  {
    auto client = created();
    ASSERT_EQ(::kill(client.pid(), SIGKILL), 0);
    ASSERT_EQ(::kill(vmm_, SIGKILL), 0);
  }
  EXPECT_TRUE(eventually([&] { return lock_is_free() && !is_running(vmm_); }));
  EXPECT_FALSE(record().exit);
  auto next = connect();
  EXPECT_EQ(json::string_or(call(next, "machine.attach", attachment()), "state"), "stopped");
  ASSERT_TRUE(record().exit);
  EXPECT_THAT(record().exit->reason, HasSubstr("nobody was watching"));
}

TEST_F(HostTest, ACopiedHomeAdoptsNothing) {
  auto client = created();
  const std::string copy = home_ + "-copy";
  ASSERT_EQ(std::system(("cp -r '" + home_ + "' '" + copy + "'").c_str()), 0);
  const std::string original = folder_;
  folder_ = copy + folder_.substr(home_.size());
  {
    auto other = connect();
    EXPECT_EQ(json::string_or(call(other, "machine.attach", attachment()), "state"), "stopped");
    call(other, "machine.terminate", R"({"force":true})");
  }
  EXPECT_FALSE(record().exit) << "the copy's record is not that of its own VMM";
  folder_ = original;
  EXPECT_TRUE(is_running(vmm_));
  EXPECT_EQ(json::string_or(call(client, "status"), "state"), "created");
  EXPECT_EQ(std::system(("rm -r '" + copy + "'").c_str()), 0);
}

TEST_F(HostTest, CancellingReachesThePluginAndTheHostLives) {
  auto client = created(R"({"slow_in":"boot"})");
  const int cancel = ::eventfd(1, EFD_CLOEXEC);
  Operation operation;
  operation.cancel_fd = cancel;
  auto answer = client.call("machine.boot", json::make_object(), patience, operation);
  ::close(cancel);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::cancelled) << answer.error().message;
  EXPECT_EQ(json::string_or(call(client, "machine.state"), "state"), "created");
}

TEST_F(HostTest, HangingUpCancels) {
  {
    auto client = created(R"({"slow_in":"boot"})");
    // Nothing comes in time: the client gives up and hangs up while the call still runs.
    EXPECT_EQ(HostClient::connect(folder_, patience)->pid(), client.pid());
    auto channel = connect_in_folder(open_folder(folder_)->get(), "host.sock");
    ASSERT_TRUE(channel);
    LineChannel raw(std::move(*channel));
    const auto deadline = std::chrono::steady_clock::now() + patience;
    ASSERT_TRUE(raw.receive(deadline));
    ASSERT_TRUE(raw.send(parsed(R"({"hello":{"protocol":1,"version":")" ANYVISOR_VERSION R"("}})"), deadline));
    ASSERT_TRUE(raw.send(parsed(R"({"id":1,"method":"machine.boot","params":{},"deadline_ms":600000})"), deadline));
    EXPECT_TRUE(eventually([&] { return json::string_or(call(client, "status"), "busy") == "machine.boot"; }));
  }
  auto client = HostClient::connect(folder_, patience);
  ASSERT_TRUE(client);
  EXPECT_EQ(json::string_or(call(*client, "machine.state"), "state"), "created") << "the worker is free again";
}

TEST_F(HostTest, ProgressArrivesInOrder) {
  auto client = created(R"({"progress_in":"boot"})");
  Operation operation;
  std::vector<std::uint64_t> done;
  operation.progress = [&](const std::string& phase, std::uint64_t part, std::uint64_t total) {
    EXPECT_EQ(phase, "test work");
    EXPECT_EQ(total, 10U);
    done.push_back(part);
  };
  ASSERT_TRUE(client.call("machine.boot", json::make_object(), patience, operation));
  ASSERT_FALSE(done.empty());
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 10U);
}

}  // namespace
}  // namespace host_test
