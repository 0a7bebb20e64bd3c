// SPDX-License-Identifier: MIT
#include "guest/wait.hpp"

#include <poll.h>

#include <algorithm>

#include "guest/banner_probe.hpp"
#include "guest/cloud_init_status.hpp"
#include "guest/ssh_access.hpp"
#include "host/host_client.hpp"
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds slice = 250ms;  // between two looks at whether the machine still runs
// A login that came to nothing: the next one begins later and may take longer, as the guest may be slow.
constexpr milliseconds login_pause = 500ms, longest_login_pause = 10s;
constexpr milliseconds login_limit = 60s, longest_login_limit = 5min;
constexpr milliseconds end_slice = 30s;  // one machine.wait; then the state is looked at anew
constexpr milliseconds host_patience = 2s;
constexpr unsigned connect_limit = 30, longest_connect_limit = 120;  // seconds, to the server's greeting

class Waiting {
 public:
  Waiting(const Workspace& workspace, InstanceRecord record, const WaitRequest& request, PhaseClock& clock)
      : workspace_(workspace),
        record_(std::move(record)),
        clock_(clock),
        end_(request.limit.count() == 0 ? Clock::time_point::max() : Clock::now() + request.limit),
        limit_(request.limit) {}

  Result<void> for_running();
  Result<void> for_ssh();
  Result<WaitResult> for_cloud_init();
  Result<void> for_end();

 private:
  Result<void> pause(milliseconds time);
  Result<bool> runs();
  Result<void> check_time(const std::string& waited_for);
  milliseconds left(milliseconds most) const;
  Result<Captured> over_ssh(const SshAccess& access, const std::string& command, milliseconds limit);

  const Workspace& workspace_;
  const InstanceRecord record_;
  PhaseClock& clock_;
  const Clock::time_point end_;
  const milliseconds limit_;
  milliseconds login_pause_ = login_pause, login_limit_ = login_limit;
  unsigned connect_limit_ = connect_limit;
  std::string seen_ = "nothing yet";  // what the last look showed, for the message at the time-out
};

milliseconds Waiting::left(milliseconds most) const {
  if (end_ == Clock::time_point::max()) return most;
  return std::clamp(std::chrono::duration_cast<milliseconds>(end_ - Clock::now()), 0ms, most);
}

Result<void> Waiting::pause(milliseconds time) {
  pollfd cancel{clock_.operation().cancel_fd, POLLIN, 0};
  if (::poll(&cancel, 1, static_cast<int>(left(time).count())) > 0)
    return fail(ErrorKind::cancelled, "the waiting for \"" + record_.name + "\" was cancelled");
  return {};
}

Result<void> Waiting::check_time(const std::string& waited_for) {
  if (Clock::now() < end_) return {};
  return fail(ErrorKind::timeout,
              "\"" + record_.name + "\": " + waited_for + " did not come about within " +
                  std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit_).count()) +
                  " s; last seen: " + seen_,
              "what the guest says: anyvisor logs " + record_.name + "; to wait on: anyvisor wait " + record_.name);
}

// False: not yet, but somebody is about to start it.
Result<bool> Waiting::runs() {
  const std::string folder = workspace_.home.instance(record_.id);
  ANYVISOR_TRY(auto record, find_instance(workspace_, record_.id));
  const Observed observed = observe(workspace_, record);
  seen_ = "the machine is " + std::string(state_name(observed.state));
  if (!observed.reason.empty()) seen_ += " (" + observed.reason + ")";
  if (observed.state == State::running) return true;
  if (auto intent = read_intent(folder); intent && *intent && (*intent)->operation != "delete") return false;
  if (observed.state == State::standby)
    return fail(ErrorKind::invalid_state, "waiting for \"" + record_.name + "\" is in vain: " + seen_,
                "wake it with 'anyvisor start " + record_.name + "'");
  return fail(
      ErrorKind::invalid_state, "waiting for \"" + record_.name + "\" is in vain: " + seen_,
      observed.state == State::stopped || observed.state == State::shutdown
          ? "what its guest said last: anyvisor logs " + record_.name + "; to start it: anyvisor start " + record_.name
          : "see 'anyvisor info " + record_.name + "'");
}

Result<void> Waiting::for_running() {
  for (;;) {
    ANYVISOR_TRY(bool running, runs());
    if (running) return {};
    ANYVISOR_CHECK(check_time("that it runs"));
    ANYVISOR_CHECK(pause(slice));
  }
}

// ssh with what it and the command say captured.
Result<Captured> Waiting::over_ssh(const SshAccess& access, const std::string& command, milliseconds limit) {
  ANYVISOR_TRY(std::string ssh, find_ssh_program("ssh"));
  ANYVISOR_TRY(auto config, NamelessFile::make(ssh_config({access}, connect_limit_)));
  Command call;
  call.argv = {std::move(ssh), "-F", config.path(), "-T", "--", access.alias, command};
  call.folder = access.home;
  return run(call, Clock::now() + limit, clock_.operation().cancel_fd);
}

Result<void> Waiting::for_ssh() {
  ANYVISOR_CHECK(for_running());
  ANYVISOR_TRY(const auto access, find_ssh_access(workspace_, record_, Via::automatic));
  BannerProbe probe = access.vsock ? BannerProbe(*access.vsock) : BannerProbe(access.address, access.port);
  for (;;) {
    ANYVISOR_TRY(bool greeted, probe.ask(left(slice), clock_.operation().cancel_fd));
    if (greeted) {
      auto login = over_ssh(access, "true", left(login_limit_) + 1ms);
      if (login && login->status == 0) return {};
      if (!login && login.error().kind != ErrorKind::timeout) return tl::unexpected(std::move(login).error());
      seen_ = login ? explain_ssh_failure(access, login->errors).message : "its ssh server answers, and no login ends";
      ANYVISOR_CHECK(check_time("a login over ssh"));
      ANYVISOR_CHECK(pause(login_pause_));
      login_pause_ = std::min(login_pause_ * 2, longest_login_pause);
      login_limit_ = std::min(login_limit_ * 2, longest_login_limit);
      connect_limit_ = std::min(connect_limit_ * 2, longest_connect_limit);
    }
    const std::string seen = seen_;
    ANYVISOR_CHECK(runs());
    seen_ = greeted ? seen : "no ssh server answers at " + access.place();
    ANYVISOR_CHECK(check_time("an answer over ssh"));
  }
}

Result<WaitResult> Waiting::for_cloud_init() {
  for (;;) {
    ANYVISOR_CHECK(for_ssh());
    clock_.begin("cloud-init");
    ANYVISOR_TRY(const auto access, find_ssh_access(workspace_, record_, Via::automatic));
    auto answer = over_ssh(access, cloud_init_command, left(24h));
    if (!answer && answer.error().kind != ErrorKind::timeout) return tl::unexpected(std::move(answer).error());
    // ssh's own failure: the guest restarts, perhaps because its user data says so.
    if (answer && answer->status != 255) return judge_cloud_init(record_.name, *answer);
    seen_ = answer ? explain_ssh_failure(access, answer->errors).message : "cloud-init still works";
    ANYVISOR_CHECK(check_time("the end of cloud-init"));
    ANYVISOR_CHECK(pause(login_pause));
  }
}

Result<void> Waiting::for_end() {
  for (;;) {
    const Observed observed = observe(workspace_, record_);
    if (observed.state == State::stopped || observed.state == State::shutdown) return {};
    seen_ = "the machine is " + std::string(state_name(observed.state));
    ANYVISOR_CHECK(check_time("the guest's end"));
    // The plugin-host says it as soon as it knows.
    auto host = HostClient::connect(workspace_.home.instance(record_.id), host_patience);
    auto params = json::make_object();
    json::set(params, params, "states", std::vector<std::string>{"shutdown", "stopped"});
    auto ended = host ? host->call("machine.wait", params, left(end_slice) + 1ms, clock_.operation())
                      : Result<json::Document>(tl::unexpected(host.error()));
    if (!ended && ended.error().kind == ErrorKind::cancelled) return tl::unexpected(std::move(ended).error());
    // It may be gone with the VMM, or an older one that had to go.
    if (!ended && ended.error().kind != ErrorKind::timeout) ANYVISOR_CHECK(pause(slice));
  }
}

}  // namespace

Result<WaitResult> wait_for(const Workspace& workspace, const std::string& instance, const WaitRequest& request,
                            PhaseClock& clock) {
  if (request.condition == WaitFor::nothing) return WaitResult{};
  ANYVISOR_TRY(auto record, find_instance(workspace, instance));
  clock.begin(request.condition == WaitFor::stopped ? "guest end" : "guest boot");
  Waiting waiting(workspace, std::move(record), request, clock);
  switch (request.condition) {
    case WaitFor::running:
    case WaitFor::automatic:
      ANYVISOR_CHECK(waiting.for_running());
      break;
    case WaitFor::ssh:
      ANYVISOR_CHECK(waiting.for_ssh());
      break;
    case WaitFor::cloud_init:
      return waiting.for_cloud_init();
    case WaitFor::stopped:
      ANYVISOR_CHECK(waiting.for_end());
      break;
    case WaitFor::nothing:
      break;
  }
  return WaitResult{};
}

Result<InstanceInfo> wait_after(const Workspace& workspace, const std::string& id, const std::string& done,
                                WaitRequest request, PhaseClock& clock) {
  ANYVISOR_TRY(auto record, find_instance(workspace, id));
  // Nothing was asked for in particular: what cannot be waited for is no failure.
  if (request.condition == WaitFor::automatic) {
    const Via known = record.ssh_over_vsock ? Via::automatic : Via::network;
    const bool reached = find_ssh_access(workspace, record, known) && find_ssh_program("ssh");
    request.condition = reached ? WaitFor::ssh : WaitFor::running;
  }
  auto waited = wait_for(workspace, id, request, clock);
  clock.close();
  if (!waited) {
    Error error = std::move(waited).error();
    error.message = "\"" + record.name + "\" was " + done + " and stays, but " + error.message;
    return tl::unexpected(std::move(error));
  }
  ANYVISOR_TRY(auto info, anyvisor::info(workspace, id));
  info.warning = waited->warning;
  return info;
}

}  // namespace anyvisor
