// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "accelerator.hpp"
#include "probe_guest.hpp"
#include "version.hpp"
#include "vmm_fixture.hpp"

namespace anyvisor::qemu::test {
namespace {

TEST_F(VmmTest, CreatesBootsPausesResumesAndEnds) {
  attach(document("tiny.elf", R"(,"hardware":{})"));
  json::Document created = call(&sdk::Machine::create, R"({"endpoints":[{"id":"net0","plugin":"user-network",
    "mac":"52:54:00:12:34:56","mode":"user","restrict":true}]})");
  EXPECT_EQ(state_of(created), "created");
  const json::Value& hardware = created["hardware"];
  EXPECT_THAT(json::string_or(hardware, "machine_type"), testing::MatchesRegex("pc-q35-[0-9]+\\.[0-9]+"));
  EXPECT_EQ(json::string_or(hardware, "accelerator"), "tcg");
  EXPECT_EQ(json::string_or(hardware["vmm"], "version"),
            query_version(host_->get(), TestContext().get(), find_binary("qemu-system-x86_64")));
  EXPECT_EQ(lines(), 0u) << "a created machine must not run";
  for (const char* socket : {"qmp.sock", "console.sock", "agent.sock"})
    EXPECT_EQ(fs::status(folder_ / socket).permissions(), fs::perms::owner_read | fs::perms::owner_write) << socket;

  EXPECT_EQ(state_of(call(&sdk::Machine::boot)), "running");
  ASSERT_TRUE(soon([&] { return lines() >= 3; })) << console() << read_text(folder_ / "logs/vmm.log");
  EXPECT_EQ(console().substr(0, 18), "00000001\n00000002\n");

  EXPECT_EQ(state_of(call(&sdk::Machine::pause)), "paused");
  EXPECT_EQ(state_of(call(&sdk::Machine::state)), "paused");
  std::this_thread::sleep_for(20ms);
  const std::size_t stopped_at = lines();
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(lines(), stopped_at) << "a paused guest went on";
  EXPECT_EQ(state_of(call(&sdk::Machine::resume)), "running");
  EXPECT_TRUE(soon([&] { return lines() > stopped_at + 2; }));

  EXPECT_EQ(state_of(call(&sdk::Machine::terminate)), "stopped");
  EXPECT_TRUE(host_->vmm_ends_within(5s));
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder_)) left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::UnorderedElementsAre("logs"));
}

TEST_F(VmmTest, ARestartedMachineKeepsItsMachineType) {
  attach(document("tiny.elf"));
  json::Document first = call(&sdk::Machine::create);
  EXPECT_THAT(host_->last_argv, testing::Contains("q35,memory-backend=mem"));
  host_->kill_vmm();  // leaves its sockets behind
  attach(document("tiny.elf", R"(,"hardware":)" + json::render(first["hardware"])));
  json::Document second = call(&sdk::Machine::create);
  const std::string type = json::string_or(first["hardware"], "machine_type");
  EXPECT_THAT(host_->last_argv, testing::Contains(type + ",memory-backend=mem"));
  EXPECT_EQ(json::render(first["hardware"]), json::render(second["hardware"]));
}

TEST_F(VmmTest, QemuGetsTheListedDescriptorsAndNoOther) {
  // Descriptors that would leak if anything but the list decided.
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  attach(document("tiny.elf"));
  call(&sdk::Machine::create);
  auto found = descriptors_of_vmm();
  const std::map<int, std::string> expected{{0, "/dev/null"},
                                            {1, (folder_ / "logs/vmm.log").string()},
                                            {2, (folder_ / "logs/vmm.log").string()},
                                            {3, folder_.string()},
                                            {7, "/memfd:anyvisor-guest-ram (deleted)"}};
  for (const auto& [number, target] : expected) EXPECT_EQ(found[number], target) << number;
  std::size_t sockets = 0;
  for (const auto& [number, target] : found) {
    if (number <= 7) continue;
    // What QEMU opens for itself. A pipe of this test or a second look at the folder is none of it.
    sockets += target.starts_with("socket:");
    EXPECT_THAT(target, testing::AnyOf(testing::StartsWith("anon_inode:"), testing::StartsWith("socket:"),
                                       testing::Eq("/dev/urandom"), testing::Eq(expected.at(7)),
                                       testing::Eq((folder_ / "logs/console.log").string())))
        << number;
  }
  EXPECT_EQ(sockets, 1u) << "the accepted QMP connection, and no other";
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(VmmTest, AnotherHostAdoptsARunningMachine) {
  attach(document("tiny.elf"));
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  ASSERT_TRUE(soon([&] { return lines() > 0; }));
  attach(document("tiny.elf"));  // the first handle is gone, its connection with it
  EXPECT_EQ(state_of(call(&sdk::Machine::adopt, R"({"process":{"pid":1}})")), "running");
  const std::size_t before = lines();
  EXPECT_TRUE(soon([&] { return lines() > before; }));
  EXPECT_EQ(state_of(call(&sdk::Machine::pause)), "paused");
  EXPECT_EQ(state_of(call(&sdk::Machine::terminate)), "stopped");
  EXPECT_TRUE(host_->vmm_ends_within(5s));
}

TEST_F(VmmTest, AGuestThatPowersItselfOffIsSeenAndBootsAgain) {
  attach(document("poweroff.elf"));
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  ASSERT_TRUE(soon([&] { return state_of(call(&sdk::Machine::state)) == "shutdown"; }));
  json::Document event = next_event();
  EXPECT_EQ(state_of(event), "shutdown");
  EXPECT_EQ(json::string_or(event, "reason"), "the guest powered itself off");
  EXPECT_EQ(console(), "off\n");
  EXPECT_EQ(state_of(call(&sdk::Machine::boot)), "running");
  EXPECT_TRUE(soon([&] { return console() == "off\noff\n"; })) << console();
  ASSERT_TRUE(soon([&] { return state_of(call(&sdk::Machine::state)) == "shutdown"; }));
  EXPECT_EQ(state_of(call(&sdk::Machine::terminate)), "stopped");
  EXPECT_TRUE(host_->vmm_ends_within(5s));
}

TEST_F(VmmTest, EventsWithoutACallMakeTheDescriptorReadable) {
  attach(document("poweroff.elf"));
  call(&sdk::Machine::create);
  call(&sdk::Machine::boot);
  std::string last;
  for (int i = 0; i < 5 && last != "shutdown"; ++i) last = state_of(next_event());
  EXPECT_EQ(last, "shutdown");
}

TEST_F(VmmTest, AVmmThatIsKilledIsNoticed) {
  attach(document("tiny.elf"));
  call(&sdk::Machine::create);
  ::kill(host_->vmm(), SIGKILL);
  EXPECT_TRUE(host_->vmm_ends_within(5s));
  ASSERT_TRUE(soon([&] {
    call(&sdk::Machine::on_event);
    return machine_->event_fd() == -1;
  }));
  EXPECT_THROW(call(&sdk::Machine::pause), sdk::Failure);
  EXPECT_EQ(state_of(call(&sdk::Machine::state)), "unknown");
}

TEST_F(VmmTest, AVmmThatStandsStillIsUnknownWhenTheTimeIsOver) {
  attach(document("tiny.elf"));
  call(&sdk::Machine::create);
  ::kill(host_->vmm(), SIGSTOP);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THAT(machine_->state(TestContext(100ms).get(), "{}"), testing::HasSubstr(R"("state":"unknown")"));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
  ::kill(host_->vmm(), SIGCONT);
  EXPECT_EQ(state_of(call(&sdk::Machine::state)), "created") << "the late reply was taken for this one";
}

TEST_F(VmmTest, APowerButtonPressedOnAPausedGuestLetsItRun) {
  attach(document("tiny.elf"));
  call(&sdk::Machine::create);
  EXPECT_THROW(call(&sdk::Machine::shutdown), sdk::Failure) << "nothing runs yet that could shut down";
  call(&sdk::Machine::boot);
  call(&sdk::Machine::pause);
  EXPECT_EQ(state_of(call(&sdk::Machine::shutdown, R"({"method":"acpi"})")), "running");
  EXPECT_EQ(state_of(call(&sdk::Machine::state)), "running");
  try {
    call(&sdk::Machine::shutdown, R"({"method":"agent"})");
    FAIL() << "this guest has no agent";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_NOT_READY);
  }
}

TEST_F(VmmTest, CapabilitiesHaveReasonsAndCostNoProcessForOneMachine) {
  json::Document report;
  report.Parse(backend_->capabilities(TestContext().get(), R"({"machine":{}})"));
  EXPECT_EQ(host_->helper_runs, 0);
  const json::Value& capabilities = report["capabilities"];
  for (const auto& [name, answer] : capabilities.GetObject()) {
    if (json::string_or(answer, "answer") == "yes") continue;
    EXPECT_NE(json::string_or(answer, "reason"), "") << name.GetString();
  }
  EXPECT_EQ(json::string_or(report["capabilities"]["save"], "answer"), "yes");
  EXPECT_EQ(json::string_or(report["capabilities"]["fork"], "answer"), "no");
  EXPECT_EQ(json::string_or(report["accelerator"], "name"), "tcg");
  report.Parse(backend_->capabilities(TestContext().get(), "{}"));
  EXPECT_THAT(json::string_or(report["vmm"], "version"), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST_F(VmmTest, AutoAsksTheHostsProbeWithCommandsThatRun) {
  if (::access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "without /dev/kvm nothing is probed";
  QemuBackend backend(host_->get(), TestContext().get(), "{}");
  for (bool usable : {false, true}) {
    host_->probe_reply = usable ? R"({"usable":true,"reason":"as fast as it should be"})"
                                : R"({"usable":false,"reason":"kvm crawls here"})";
    json::Document report;
    report.Parse(backend.capabilities(TestContext().get(), R"({"machine":{}})"));
    EXPECT_EQ(json::string_or(report["accelerator"], "name"), usable ? "kvm" : "tcg");
    EXPECT_EQ(json::string_or(report["accelerator"], "reason"), usable ? "as fast as it should be" : "kvm crawls here");
  }
  json::Document request = parse_object(host_->last_probe, "probe");
  EXPECT_EQ(json::string_or(request["candidate"], "name"), "kvm");
  EXPECT_EQ(json::string_or(request["baseline"], "marker"), sdk::probe_marker);
  EXPECT_THAT(json::strings_or_empty(request["candidate"], "argv"), testing::IsSupersetOf({"kvm", "host"}));
  EXPECT_THAT(json::strings_or_empty(request["baseline"], "argv"), testing::IsSupersetOf({"tcg,thread=multi", "max"}));
}

TEST_F(VmmTest, WhatQemuSaysWhenItDoesNotStartReachesTheCaller) {
  attach(document("tiny.elf", R"(,"hardware":{"machine_type":"pc-q35-99.0"})"));
  try {
    call(&sdk::Machine::create);
    FAIL() << "a machine type from the future was taken";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_UNAVAILABLE);
    EXPECT_THAT(failure.what(), testing::HasSubstr("unsupported machine type"));
    EXPECT_THAT(failure.view().hint, testing::HasSubstr("newer QEMU"));
  }
}

TEST_F(VmmTest, ATakenPortIsBusy) {
  int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size);
  attach(document("tiny.elf"));
  try {
    call(&sdk::Machine::create, R"({"endpoints":[{"id":"net0","plugin":"user-network","mac":"52:54:00:12:34:56",
      "mode":"user","restrict":true,"publish":[{"protocol":"tcp","host_address":"127.0.0.1","host_port":)" +
                                    std::to_string(ntohs(address.sin_port)) + R"(,"guest_port":22}]}]})");
    FAIL() << "the taken port was given";
  } catch (const sdk::Failure& failure) {
    EXPECT_EQ(failure.status(), ANYVISOR_BUSY) << failure.what();
  }
  ::close(taken);
}

TEST_F(VmmTest, TheProbeGuestRunsAndSaysSo) {
  fs::path kernel = root_ / "probe.elf";
  std::ofstream(kernel) << sdk::probe_guest();
  sdk::Process process;
  process.argv = probe_command(find_binary("qemu-system-x86_64").path, "tcg", "max", kernel);
  json::Document reply;
  reply.Parse(host_->get().run(TestContext().get(), process));
  EXPECT_EQ(json::string_or(reply, "output"), std::string(sdk::probe_marker) + "\n");
  EXPECT_EQ(json::int_or(reply, "status", -1), 0);
}

}  // namespace
}  // namespace anyvisor::qemu::test
