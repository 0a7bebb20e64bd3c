// SPDX-License-Identifier: MIT
// The way over vsock, through a socket as VMMs have it: the same ssh, with a connection that another program makes.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest/banner_probe.hpp"
#include "guest/copy.hpp"
#include "guest/guest_operations.hpp"
#include "vmm_socket.hpp"

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using test::content_of;
using test::SshServer;
using test::VmmSocket;
using test::VsockGuest;
using test::write_content;
using Clock = std::chrono::steady_clock;

struct Outcome {
  Result<int> code = 0;
  std::string output, errors;
};

Outcome run_over(const SshAccess& access, const SshServer& server, std::vector<std::string> words,
                 const std::string& input = {}, int signals_fd = -1) {
  const std::string in = server.folder() + "/in", out = server.folder() + "/out", err = server.folder() + "/err";
  write_content(in, input);
  write_content(out, "");
  write_content(err, "");
  const Fd in_fd(::open(in.c_str(), O_RDONLY | O_CLOEXEC)), out_fd(::open(out.c_str(), O_WRONLY | O_CLOEXEC)),
      err_fd(::open(err.c_str(), O_WRONLY | O_CLOEXEC));
  ExecRequest request;
  request.command = std::move(words);
  request.stdin_fd = in_fd.get();
  request.stdout_fd = out_fd.get();
  request.stderr_fd = err_fd.get();
  request.signals_fd = signals_fd;
  Outcome outcome;
  outcome.code = exec_over_ssh(access, request, -1);
  outcome.output = content_of(out);
  outcome.errors = content_of(err);
  return outcome;
}

TEST(Vsock, CarriesStreamsAndExitCode) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::serves_ssh);
  const auto seven = run_over(vmm.access(), server, {"sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(seven.code) << seven.code.error().message;
  EXPECT_EQ(*seven.code, 7);
  EXPECT_EQ(seven.output, "out\n");
  EXPECT_EQ(seven.errors, "err\n");
  std::string megabyte(1 << 20, '\0');
  for (std::size_t i = 0; i < megabyte.size(); ++i) megabyte[i] = static_cast<char>(i * 7 + (i >> 8));
  const auto echoed = run_over(vmm.access(), server, {"cat"}, megabyte);
  ASSERT_TRUE(echoed.code) << echoed.code.error().message;
  EXPECT_TRUE(echoed.output == megabyte) << echoed.output.size() << " bytes came back";
  EXPECT_EQ(vmm.connections(), 2);
}

TEST(Vsock, CarriesSignals) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::serves_ssh);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd read(ends[0]), write(ends[1]);
  const std::string started = server.folder() + "/started";
  std::thread sender([&] {
    for (int i = 0; i < 2000 && content_of(started).empty(); ++i) std::this_thread::sleep_for(5ms);
    const char number = SIGTERM;
    EXPECT_EQ(::write(write.get(), &number, 1), 1);
  });
  const auto ended =
      run_over(vmm.access(), server, {"sh", "-c", "echo x >\"$1\"; exec sleep 100", "sh", started}, {}, read.get());
  sender.join();
  ASSERT_TRUE(ended.code) << ended.code.error().message;
  EXPECT_EQ(*ended.code, 128 + SIGTERM);
}

TEST(Vsock, CarriesFiles) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::serves_ssh);
  const std::string here = server.folder() + "/here", there = server.folder() + "/there";
  write_content(here, "content");
  CopyRequest request;
  request.sources = {{"", here}};
  request.destination = {"fake", there};
  const auto copied = copy_over_ssh({{"fake", vmm.access()}}, request, -1);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(content_of(there), "content");
}

TEST(Vsock, AnotherHostKeyIsRefused) {
  SshServer server, other;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::serves_ssh);
  write_content(server.folder() + "/known_hosts", content_of(other.folder() + "/known_hosts"));
  const auto refused = run_over(vmm.access(), server, {"true"});
  ASSERT_FALSE(refused.code);
  EXPECT_EQ(refused.code.error().kind, ErrorKind::unavailable) << refused.code.error().message;
  EXPECT_NE(refused.code.error().message.find("vsock port 22"), std::string::npos) << refused.code.error().message;
}

TEST(Vsock, AGuestThatDoesNotListenIsNotReady) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::refuses);
  const auto refused = run_over(vmm.access(), server, {"true"});
  ASSERT_FALSE(refused.code);
  EXPECT_EQ(refused.code.error().kind, ErrorKind::not_ready) << refused.code.error().message;
  EXPECT_TRUE(refused.code.error().retry);
  EXPECT_NE(refused.code.error().hint.find("--for ssh"), std::string::npos) << refused.code.error().hint;
  EXPECT_EQ(refused.errors, "") << "what is not the command's stands among its words";
  CopyRequest request;
  request.sources = {{"", server.configuration()}};
  request.destination = {"fake", server.folder() + "/there"};
  const auto copied = copy_over_ssh({{"fake", vmm.access()}}, request, -1);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().kind, ErrorKind::not_ready) << copied.error().message;
}

TEST(Vsock, TheGreetingIsWaitedFor) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::refuses);
  BannerProbe probe(vmm.route());
  auto greeted = probe.ask(400ms, -1);
  ASSERT_TRUE(greeted);
  EXPECT_FALSE(*greeted);
  EXPECT_GE(vmm.connections(), 2);
  vmm.becomes(VsockGuest::serves_ssh);
  greeted = probe.ask(20s, -1);
  ASSERT_TRUE(greeted);
  EXPECT_TRUE(*greeted);
}

// Each connection costs a slow guest the start of a server: the one that it has taken is waited for.
TEST(Vsock, AGuestThatIsSlowToGreetIsAskedOnce) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::serves_late);
  BannerProbe probe(vmm.route());
  for (int i = 0; i < 5; ++i) {
    const auto greeted = probe.ask(1s, -1);
    ASSERT_TRUE(greeted);
    EXPECT_FALSE(*greeted);
  }
  const auto greeted = probe.ask(20s, -1);
  ASSERT_TRUE(greeted);
  EXPECT_TRUE(*greeted);
  EXPECT_EQ(vmm.connections(), 1);
}

TEST(Vsock, NoAnswerAndAWrongOneAreErrors) {
  SshServer server;
  SKIP_WITHOUT(server);
  VmmSocket vmm(server, VsockGuest::silent);
  const auto begun = Clock::now();
  auto silent = connect_vsock(vmm.route(), begun + 200ms);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().kind, ErrorKind::timeout) << silent.error().message;
  EXPECT_LT(Clock::now() - begun, 10s);
  vmm.becomes(VsockGuest::nonsense);
  auto nonsense = connect_vsock(vmm.route(), Clock::now() + 10s);
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().kind, ErrorKind::unavailable);
  EXPECT_NE(nonsense.error().message.find("HTTP/1.1"), std::string::npos) << nonsense.error().message;
  auto gone = connect_vsock({server.folder() + "/no.sock", 77, 22}, Clock::now() + 10s);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::not_found) << gone.error().message;
}

// No guest of this host has this context id; the kernel may have no vsock at all.
TEST(Vsock, AContextIdThatNobodyHas) {
  const auto nobody = connect_vsock({"", 4294967290, 22}, Clock::now() + 300ms);
  ASSERT_FALSE(nobody);
  const auto kind = nobody.error().kind;
  EXPECT_TRUE(kind == ErrorKind::unavailable || kind == ErrorKind::unsupported || kind == ErrorKind::timeout)
      << nobody.error().message;
}

}  // namespace
}  // namespace anyvisor
