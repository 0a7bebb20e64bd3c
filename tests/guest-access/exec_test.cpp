// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "guest/guest_operations.hpp"
#include "ssh_server.hpp"

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using test::content_of;
using test::SshServer;
using test::write_content;

struct Outcome {
  Result<int> code = 0;
  std::string output, errors;
};

// Runs it with files for its streams.
Outcome run_in(const SshServer& server, ExecRequest request, const std::string& input = {}) {
  const std::string in = server.folder() + "/in", out = server.folder() + "/out", err = server.folder() + "/err";
  write_content(in, input);
  Fd in_fd(::open(in.c_str(), O_RDONLY | O_CLOEXEC));
  Fd out_fd(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  Fd err_fd(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  request.stdin_fd = in_fd.get();
  request.stdout_fd = out_fd.get();
  request.stderr_fd = err_fd.get();
  Outcome outcome;
  outcome.code = exec_over_ssh(server.access(), request, -1);
  outcome.output = content_of(out);
  outcome.errors = content_of(err);
  return outcome;
}

ExecRequest command(std::vector<std::string> words) {
  ExecRequest request;
  request.command = std::move(words);
  return request;
}

ExecRequest shell(const std::string& script) {
  return command({"sh", "-c", script});
}

TEST(Exec, BringsTheExitCodeAndKeepsTheStreamsApart) {
  SshServer server;
  SKIP_WITHOUT(server);
  const auto seven = run_in(server, shell("echo out; echo err >&2; exit 7"));
  ASSERT_TRUE(seven.code) << seven.code.error().message << server.log();
  EXPECT_EQ(*seven.code, 7);
  EXPECT_EQ(seven.output, "out\n");
  EXPECT_EQ(seven.errors, "err\n");
  EXPECT_EQ(run_in(server, shell("exit 255")).code.value_or(-1), 255) << "not to be taken for ssh's own failure";
  EXPECT_EQ(run_in(server, shell("kill -KILL $$")).code.value_or(-1), 128 + SIGKILL);
  const auto missing = run_in(server, command({"no-such-program", "x"}));
  EXPECT_EQ(missing.code.value_or(-1), 127);
  EXPECT_NE(missing.errors.find("no-such-program"), std::string::npos) << missing.errors;
}

TEST(Exec, ArgumentsArriveAsTheyAre) {
  SshServer server;
  SKIP_WITHOUT(server);
  const std::vector<std::string> words = {
      "a b", "'",  "\"",    "\\",    "$HOME", "`id`", "*",        "~", "",        "a\nb",    ";",         "&& false",
      "-n",  "--", "a\\nb", "\t x ", "!x",    "#x",   "\xff\xfe", "ä", "${x:-y}", "$(echo)", "trailing\n"};
  std::vector<std::string> all = {"printf", "%s|"};
  all.insert(all.end(), words.begin(), words.end());
  std::string expected;
  for (const auto& word : words) expected += word + "|";
  const auto printed = run_in(server, command(all));
  ASSERT_TRUE(printed.code) << printed.code.error().message;
  EXPECT_EQ(printed.output, expected);
  EXPECT_EQ(run_in(server, command({"echo", "a\\nb"})).output, "a\\nb\n") << "a builtin stood in for the program";
}

TEST(Exec, FolderAndEnvironment) {
  SshServer server;
  SKIP_WITHOUT(server);
  auto request = shell("pwd; printf '%s' \"$WORDS\"");
  request.folder = server.folder();
  request.environment = {{"WORDS", "it's \"two\" words\n"}, {"OTHER", "--"}};
  const auto done = run_in(server, request);
  ASSERT_TRUE(done.code) << done.code.error().message;
  EXPECT_EQ(done.output, server.folder() + "\nit's \"two\" words\n");
  request.folder = "/no/such/folder";
  EXPECT_EQ(run_in(server, request).code.value_or(-1), 125);
  request.environment = {{"NO NAME", "x"}};
  EXPECT_EQ(run_in(server, request).code.error().kind, ErrorKind::invalid_argument);
}

TEST(Exec, TenMegabytesPassUnchanged) {
  SshServer server;
  SKIP_WITHOUT(server);
  std::string bytes(10u << 20, '\0');
  std::mt19937 random(7);
  for (auto& byte : bytes) byte = static_cast<char>(random());
  const auto done = run_in(server, command({"cat"}), bytes);
  ASSERT_TRUE(done.code) << done.code.error().message;
  EXPECT_EQ(*done.code, 0);
  EXPECT_TRUE(done.output == bytes) << done.output.size() << " bytes came back, and not the same";
}

TEST(Exec, WhatIsTooLongIsRefusedBeforehand) {
  SshServer server;
  SKIP_WITHOUT(server);
  EXPECT_EQ(run_in(server, command({"true", std::string(120 * 1024, 'x')})).code.value_or(-1), 0);
  const auto refused = run_in(server, command({"true", std::string(200 * 1024, 'x')}));
  ASSERT_FALSE(refused.code);
  EXPECT_EQ(refused.code.error().kind, ErrorKind::invalid_argument);
}

// A command that is sent signals while it runs; `script` writes its pid to the file `started` when it is ready.
struct Signalled {
  Signalled(const SshServer& server, const std::string& script, std::vector<int> numbers, bool terminal = false)
      : started(server.folder() + "/started") {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const Fd read_end(ends[0]), write_end(ends[1]);
    std::thread sender([&] {
      for (int i = 0; i < 1000 && content_of(started).empty(); ++i) std::this_thread::sleep_for(10ms);
      pid = std::atoi(content_of(started).c_str());
      for (int number : numbers) {
        const auto byte = static_cast<unsigned char>(number);
        EXPECT_EQ(::write(write_end.get(), &byte, 1), 1);
        std::this_thread::sleep_for(300ms);
      }
    });
    auto request = command({"sh", "-c", script, "sh", started});
    request.signals_fd = read_end.get();
    request.terminal = terminal;
    const auto begin = std::chrono::steady_clock::now();
    outcome = run_in(server, request);
    elapsed = std::chrono::steady_clock::now() - begin;
    sender.join();
  }
  bool still_runs() const {
    for (int i = 0; i < 200; ++i) {
      if (::kill(pid, 0) != 0) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
  std::string started;
  Outcome outcome;
  int pid = 0;
  std::chrono::steady_clock::duration elapsed{};
};

constexpr const char* sleeper = "sleep 600 & echo $! > \"$1.new\"; mv \"$1.new\" \"$1\"; wait; echo never";

TEST(Exec, ASignalEndsTheCommandAndWhatItStarted) {
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    SshServer server;
    SKIP_WITHOUT(server);
    const Signalled run(
        server,
        std::string("exec 2>/dev/null; ") + (number == SIGINT || number == SIGQUIT
                                                 // A background child of sh ignores these two.
                                                 ? "echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; sleep 600; echo never"
                                                 : sleeper),
        {number});
    ASSERT_GT(run.pid, 0) << server.log();
    ASSERT_TRUE(run.outcome.code) << run.outcome.code.error().message;
    EXPECT_EQ(*run.outcome.code, 128 + number);
    EXPECT_EQ(run.outcome.output, "");
    EXPECT_FALSE(run.still_runs()) << "signal " << number;
  }
}

TEST(Exec, TheCommandMayTakeTheSignalInItsOwnWay) {
  SshServer server;
  SKIP_WITHOUT(server);
  const Signalled run(server,
                      "trap 'echo caught; exit 3' TERM; echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; "
                      "while :; do sleep 0.1; done",
                      {SIGTERM});
  ASSERT_TRUE(run.outcome.code) << run.outcome.code.error().message;
  EXPECT_EQ(*run.outcome.code, 3);
  EXPECT_EQ(run.outcome.output, "caught\n");
}

TEST(Exec, TheSecondSignalKills) {
  SshServer server;
  SKIP_WITHOUT(server);
  const Signalled run(server,
                      "trap '' INT TERM; echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; while :; do sleep 0.1; done",
                      {SIGTERM, SIGTERM});
  ASSERT_TRUE(run.outcome.code) << run.outcome.code.error().message;
  EXPECT_EQ(*run.outcome.code, 128 + SIGKILL);
  EXPECT_FALSE(run.still_runs());
}

TEST(Exec, WhatIgnoresTheSignalIsKilledAfterAWhile) {
  SshServer server;
  SKIP_WITHOUT(server);
  const Signalled run(
      server, "trap '' INT TERM; echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; while :; do sleep 0.1; done", {SIGINT});
  ASSERT_TRUE(run.outcome.code) << run.outcome.code.error().message;
  EXPECT_EQ(*run.outcome.code, 128 + SIGKILL);
  EXPECT_FALSE(run.still_runs());
  EXPECT_GE(run.elapsed, 5s);
}

TEST(Exec, WithATerminalOfItsOwn) {
  SshServer server;
  SKIP_WITHOUT(server);
  auto request = shell("tty >/dev/null && stty size >/dev/null && echo terminal; exit 4");
  EXPECT_NE(run_in(server, request).output, "terminal\r\n");
  request.terminal = true;
  const auto done = run_in(server, request);
  ASSERT_TRUE(done.code) << done.code.error().message;
  EXPECT_EQ(*done.code, 4);
  EXPECT_EQ(done.output, "terminal\r\n");
}

TEST(Exec, ALoginShellReadsCommands) {
  SshServer server;
  SKIP_WITHOUT(server);
  const auto done = run_in(server, {}, "echo $((6 * 7))\nexit 5\n");
  ASSERT_TRUE(done.code) << done.code.error().message;
  EXPECT_EQ(*done.code, 5);
  EXPECT_EQ(done.output, "42\n");
}

TEST(Exec, AnotherHostKeyIsNotTrusted) {
  SshServer server, impostor;
  SKIP_WITHOUT(server);
  const std::string known = content_of(server.folder() + "/known_hosts");
  std::filesystem::copy_file(impostor.folder() + "/known_hosts", server.folder() + "/known_hosts",
                             std::filesystem::copy_options::overwrite_existing);
  const auto refused = run_in(server, command({"touch", server.folder() + "/was-here"}));
  ASSERT_FALSE(refused.code);
  EXPECT_EQ(refused.code.error().kind, ErrorKind::unavailable);
  EXPECT_NE(refused.code.error().message.find("host key"), std::string::npos) << refused.code.error().message;
  EXPECT_EQ(refused.errors, "") << "ssh's own words belong into the error";
  EXPECT_FALSE(std::filesystem::exists(server.folder() + "/was-here"));
  // A host nobody has seen is no better.
  write_content(server.folder() + "/known_hosts", "");
  EXPECT_EQ(run_in(server, command({"true"})).code.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(content_of(server.folder() + "/known_hosts"), "") << "a key was learned";
  write_content(server.folder() + "/known_hosts", known);
  EXPECT_EQ(run_in(server, command({"true"})).code.value_or(-1), 0);
}

TEST(Exec, ARefusedKeyAndASilentPortAreTold) {
  SshServer server;
  SKIP_WITHOUT(server);
  write_content(server.folder() + "/authorized_keys", "");
  const auto refused = run_in(server, command({"true"}));
  ASSERT_FALSE(refused.code);
  EXPECT_EQ(refused.code.error().kind, ErrorKind::not_ready);
  EXPECT_NE(refused.code.error().message.find("does not let"), std::string::npos) << refused.code.error().message;
  SshAccess nobody = server.access();
  nobody.port = 9;
  const auto silent = exec_over_ssh(nobody, command({"true"}), -1);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().kind, ErrorKind::not_ready);
  EXPECT_TRUE(silent.error().retry);
}

TEST(Exec, AUsersOwnConfigurationIsNotRead) {
  SshServer server;
  SKIP_WITHOUT(server);
  // ssh takes the home folder from the user database, so only the options can be looked at: that no other is in force.
  const std::string text = ssh_config({server.access()}, 30);
  EXPECT_EQ(text.find('"'), std::string::npos);
  EXPECT_NE(text.find("StrictHostKeyChecking yes"), std::string::npos);
  EXPECT_EQ(text.find(server.folder()), std::string::npos) << "a path in it would need quoting";
}

TEST(Exec, ACommandThatIsNotInstalledIsNamed) {
  SshServer server;
  SKIP_WITHOUT(server);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  const auto missing = exec_over_ssh(server.access(), command({"true"}), -1);
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::unavailable);
  EXPECT_NE(missing.error().hint.find("openssh-client"), std::string::npos);
}

}  // namespace
}  // namespace anyvisor
