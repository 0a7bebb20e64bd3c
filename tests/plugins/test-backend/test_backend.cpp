// SPDX-License-Identifier: MIT
// A whole little backend whose VMM is sleep(1): it starts, adopts, pauses (SIGSTOP), resumes and ends it. Save, restore
// and fork decline with a reason. What it does wrong on request stands in behaviour.hpp. Never installed.
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "behaviour.hpp"

namespace test_backend {

using namespace anyvisor;
using sdk::Context;
using sdk::Failure;
using sdk::Host;

constexpr const char* vmm_version = "sleep-1";

class SleepingMachine : public sdk::Machine {
 public:
  SleepingMachine(Host host, const Behaviour& behaviour, const json::Value& document)
      : host_(host),
        behaviour_(behaviour),
        folder_(json::string_or(document, "folder")),
        cpus_(json::uint_or(document, "cpus", 1)),
        event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~SleepingMachine() override {
    if (owns_pidfd_) ::close(pidfd_);
    ::close(event_);
  }

  std::string create(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "create")) return *reply;
    sdk::Process process;
    process.argv = {"sleep", "infinity"};
    const anyvisor_child child = host_.spawn(context, process);
    pid_ = child.pid;
    pidfd_ = child.pidfd;
    remember("created");
    auto reply = json::make_object();
    json::set(reply, reply, "state", "created");
    json::Value hardware(rapidjson::kObjectType);
    json::set(reply, hardware, "machine_type", vmm_version);
    json::set(reply, hardware, "cpus", cpus_);
    json::set_value(reply, reply, "hardware", std::move(hardware));
    return json::render(reply);
  }

  std::string adopt(const Context& context, std::string_view request) override {
    if (auto reply = behaviour_.misbehave(context, "adopt")) return *reply;
    json::Document document;
    document.Parse(request.data(), request.size());
    const json::Value* process = document.HasParseError() ? nullptr : json::object_or_null(document, "process");
    pid_ = process ? static_cast<int>(json::int_or(*process, "pid", 0)) : 0;
    if (pid_ <= 0) throw Failure(ANYVISOR_INVALID_ARGUMENT, "no process to adopt").field("/process/pid");
    pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (pidfd_ < 0) throw Failure(ANYVISOR_NOT_FOUND, "process " + std::to_string(pid_) + " is not there");
    owns_pidfd_ = true;
    return answer(observed());
  }

  std::string boot(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "boot")) return *reply;
    remember("running");
    return answer("running");
  }
  std::string pause(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "pause")) return *reply;
    signal(SIGSTOP);
    // The kernel takes its time with a process that has not run yet.
    while (observed() == "running") {
      context.check();
      ::usleep(1000);
    }
    return answer(observed());
  }
  std::string resume(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "resume")) return *reply;
    signal(SIGCONT);
    return answer("running");
  }
  std::string shutdown(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "shutdown")) return *reply;
    const std::string how = behaviour_.on_shutdown();
    if (how == "ends") signal(SIGTERM);
    if (how == "stays") {
      remember("shutdown");
      ::eventfd_write(event_, 1);
    }
    return answer("running");
  }
  std::string terminate(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "terminate")) return *reply;
    if (pidfd_ < 0) return answer("stopped");
    signal(SIGTERM);
    signal(SIGCONT);  // a stopped process takes no other signal
    pollfd ended[2] = {{pidfd_, POLLIN, 0}, {context.cancel_fd(), POLLIN, 0}};
    ::poll(ended, 2, static_cast<int>(std::min<std::int64_t>(context.remaining().count(), 60000)));
    if (!(ended[0].revents & POLLIN)) {
      context.check();
      throw Failure(ANYVISOR_TIMEOUT, "sleep did not end");
    }
    return answer("stopped");
  }
  std::string state(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "state")) return *reply;
    return answer(observed());
  }
  std::string save(const Context&, std::string_view) override {
    throw sdk::unsupported("test-backend cannot save memory: its machines have none");
  }
  std::string restore(const Context&, std::string_view) override {
    throw sdk::unsupported("test-backend cannot restore memory: its machines have none");
  }
  std::string fork(const Context&, std::string_view) override {
    throw sdk::unsupported("test-backend cannot fork: its machines have no memory to share");
  }
  std::string guest_endpoints(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "guest_endpoints")) return *reply;
    return R"({"addresses":[]})";
  }
  int event_fd() override { return event_; }
  std::string on_event(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "on_event")) return *reply;
    eventfd_t count = 0;
    if (::eventfd_read(event_, &count) != 0) return "{}";
    return R"({"state":"shutdown","reason":"the guest powered off"})";
  }
  std::string destroy(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "destroy")) return *reply;
    return "{}";
  }

 private:
  static std::string answer(const std::string& state) { return R"({"state":")" + state + R"("})"; }

  void signal(int number) const {
    if (pidfd_ < 0) throw Failure(ANYVISOR_INVALID_STATE, "the machine has no VMM");
    if (::syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0) != 0 && errno != ESRCH)
      throw Failure(ANYVISOR_INTERNAL, "sleep could not be signalled");
  }

  // sleep cannot say whether it "booted": a file beside its record can, also to the next plugin-host.
  std::string state_file() const { return folder_ + "/test-backend.state"; }
  void remember(const char* state) const {
    if (!(std::ofstream(state_file() + ".new") << state).flush() ||
        std::rename((state_file() + ".new").c_str(), state_file().c_str()) != 0)
      throw Failure(ANYVISOR_INTERNAL, "cannot write \"" + state_file() + "\"");
  }
  std::string observed() const {
    if (pid_ == 0) return "stopped";
    std::string stat;
    std::getline(std::ifstream("/proc/" + std::to_string(pid_) + "/stat"), stat);
    const auto name_end = stat.rfind(") ");
    if (name_end == std::string::npos || stat[name_end + 2] == 'Z') return "stopped";
    std::string remembered = "unknown";
    std::ifstream(state_file()) >> remembered;
    return stat[name_end + 2] == 'T' && remembered == "running" ? "paused" : remembered;
  }

  Host host_;
  const Behaviour& behaviour_;  // the backend's, which outlives its machines
  std::string folder_;
  std::uint64_t cpus_;
  int pid_ = 0, pidfd_ = -1;
  bool owns_pidfd_ = false;  // of an adopted VMM; that of a started one is the host's
  int event_;
};

class TestBackend : public sdk::Backend {
 public:
  TestBackend(Host host, const Context& context, std::string_view settings) : host_(host), behaviour_(settings) {
    behaviour_.misbehave(context, "open");
  }
  std::string capabilities(const Context& context, std::string_view) override {
    if (auto reply = behaviour_.misbehave(context, "capabilities")) return *reply;
    return R"({"capabilities":{
      "pause":{"answer":"yes"},
      "save":{"answer":"no","reason":"its machines have no memory"},
      "restore":{"answer":"no","reason":"its machines have no memory"},
      "fork":{"answer":"no","reason":"its machines have no memory"},
      "kernel_boot":{"answer":"yes"},
      "firmware":{"answer":"yes"},
      "console":{"answer":"no","reason":"sleep says nothing"},
      "agent":{"answer":"needs","reason":"a guest"}},
      "vmm":{"name":"sleep","version":"1"},"accelerator":{"name":"none","reason":"nothing is run"},
      "disks":"local","disk_formats":["qcow2","raw"],"fused_hops":[],"limits":{"cpus":4096}})";
  }
  std::unique_ptr<sdk::Machine> attach(const Context& context, std::string_view machine_document) override {
    behaviour_.misbehave(context, "attach");
    json::Document document;
    document.Parse(machine_document.data(), machine_document.size());
    if (document.HasParseError() || !document.IsObject())
      throw Failure(ANYVISOR_INVALID_ARGUMENT, "the machine document is no JSON object");
    return std::make_unique<SleepingMachine>(host_, behaviour_, document);
  }

 private:
  Host host_;
  Behaviour behaviour_;
};

}  // namespace test_backend

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"test-backend", "0.1.0", "Machines that sleep, for tests", "MIT",
                                            test_backend::settings_schema}),
                anyvisor::sdk::backend<test_backend::TestBackend>())
