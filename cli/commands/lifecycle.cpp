// SPDX-License-Identifier: MIT
// anyvisor start, stop, restart, pause, resume, standby, restore.
#include <algorithm>
#include <array>
#include <limits>

#include "command.hpp"
#include "commands/instances.hpp"
#include "commands/wait.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

// What one of these commands says, and which instances its --all means.
struct Change {
  const char* command;
  const char* doing;  // "starting"
  const char* done;   // "Started"
  std::vector<State> of;
};

std::string lower_case(std::string_view word) {
  std::string lower(word);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

// Each name in turn, then what became of them.
template <class Call>
int change_each(Session& session, const Arguments& arguments, const Change& change, Call call) {
  const auto names = named_or_all(session, arguments, change.command, [&](const InstanceInfo& info) {
    return info.deleted.empty() && std::ranges::find(change.of, info.state) != change.of.end();
  });
  std::vector<InstanceInfo> changed;
  const int code = session.for_each(names, [&](const std::string& name) -> Result<void> {
    auto result = session.perform(std::string(change.doing) + " " + name,
                                  [&](Operation& operation) { return call(name, operation); });
    if (!result) return tl::unexpected<Error>(std::move(result).error());
    if (!result->warning.empty()) warn(result->warning, session.json());
    const std::string ports = result->vmm_pid != 0 ? published_ports(*result) : "";
    session.tell((result->already ? result->name + " is " + (result->state == State::standby ? "in " : "") +
                                        lower_case(state_name(result->state)) + " already"
                                  : std::string(change.done) + " " + result->name) +
                 (ports.empty() ? "" : ", " + ports));
    changed.push_back(std::move(*result));
    return {};
  });
  print_instances_json(session, arguments.positional(), changed);
  return code;
}

int run_start(Session& session, const Arguments& arguments) {
  StartRequest request;
  request.discard_memory = arguments.has("discard-memory");
  request.wait = read_wait(arguments, "running");
  Manager& manager = session.manager();
  return change_each(
      session, arguments,
      {"start", "starting", "Started", {State::stopped, State::created, State::shutdown, State::standby}},
      [&](const std::string& name, Operation& operation) { return manager.start(name, request, operation); });
}

int run_standby(Session& session, const Arguments& arguments) {
  StandbyRequest request;
  request.durable = !arguments.has("no-durable");
  Manager& manager = session.manager();
  return change_each(
      session, arguments, {"standby", "putting into standby", "In standby:", {State::running, State::paused}},
      [&](const std::string& name, Operation& operation) { return manager.standby(name, request, operation); });
}

int run_restore(Session& session, const Arguments& arguments) {
  const WaitRequest wait = read_wait(arguments, "running");
  Manager& manager = session.manager();
  return change_each(
      session, arguments, {"restore", "restoring", "Restored", {State::standby}},
      [&](const std::string& name, Operation& operation) { return manager.restore(name, wait, operation); });
}

StopRequest read_stop(const Arguments& arguments) {
  StopRequest request;
  request.force = arguments.has("force");
  const auto grace = static_cast<unsigned>(request.grace.count() / 1000);
  request.grace = std::chrono::seconds(arguments.number("timeout", grace, 0));
  request.force_after_grace = !arguments.has("no-force");
  if (request.force && !request.force_after_grace)
    throw UsageError("--force and --no-force contradict each other", "give one of the two");
  if (request.force && arguments.has("timeout"))
    throw UsageError("--force does not wait, so --timeout says nothing", "give one of the two");
  return request;
}

// One in Standby is not among those of --all: its memory would be lost.
int run_stop(Session& session, const Arguments& arguments) {
  const StopRequest request = read_stop(arguments);
  Manager& manager = session.manager();
  return change_each(
      session, arguments,
      {"stop", "stopping", "Stopped", {State::running, State::paused, State::created, State::shutdown}},
      [&](const std::string& name, Operation& operation) { return manager.stop(name, request, operation); });
}

int run_restart(Session& session, const Arguments& arguments) {
  RestartRequest request;
  request.stop.force = arguments.has("force");
  request.wait = read_wait(arguments, "running");
  Manager& manager = session.manager();
  return change_each(
      session, arguments, {"restart", "restarting", "Restarted", {State::running}},
      [&](const std::string& name, Operation& operation) { return manager.restart(name, request, operation); });
}

int run_pause(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  return change_each(session, arguments, {"pause", "pausing", "Paused", {State::running}},
                     [&](const std::string& name, Operation& operation) { return manager.pause(name, operation); });
}

int run_resume(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  return change_each(session, arguments, {"resume", "resuming", "Resumed", {State::paused}},
                     [&](const std::string& name, Operation& operation) { return manager.resume(name, operation); });
}

constexpr std::array start_options{
    Option{"all", 0, nullptr, "All that are stopped or in standby"},
    Option{"discard-memory", 0, nullptr, "Of one in Standby: give its saved memory up and start afresh"}, wait_option,
    wait_timeout_option};
constexpr std::array standby_options{
    Option{"all", 0, nullptr, "All that run or are paused"},
    Option{"no-durable", 0, nullptr, "Keep the memory in a process and not on the disk: lost when this host restarts"},
};
constexpr std::array restore_options{Option{"all", 0, nullptr, "All that are in standby"}, wait_option,
                                     wait_timeout_option};
constexpr std::array stop_options{
    Option{"all", 0, nullptr, "All that run; not those in standby, whose memory would be lost"},
    Option{"force", 'f', nullptr, "Do not ask the guest: end it at once"},
    Option{"timeout", 't', "SECONDS", "How long the guest may take to power off before it is ended (default: 30)"},
    Option{"no-force", 0, nullptr, "Do not end it then: fail, and let it run on"},
};
constexpr std::array restart_options{
    Option{"all", 0, nullptr, "All that run"},
    Option{"force", 'f', nullptr, "Do not ask the guest: end it at once"},
    wait_option,
    wait_timeout_option,
};
constexpr std::array pause_options{Option{"all", 0, nullptr, "All that run"}};
constexpr std::array resume_options{Option{"all", 0, nullptr, "All that are paused"}};

constexpr const char* names = "NAME... | --all";

constexpr const char* stop_details =
    "Asks the guest to power off (its guest agent, else by the power button), waits, ends it when it does not, and "
    "says\n"
    "so.";
constexpr const char* restart_details =
    "Stops and starts: the guest gets a new VMM. A guest that does not power off within 30 seconds is ended. Should "
    "this\n"
    "command be killed in between, the machine is stopped.";
constexpr const char* standby_details =
    "`anyvisor start` or `anyvisor restore` lets the guest go on where it stood, once.\n"
    "Its published ports open again; connections over them are cut.";
constexpr const char* restore_details =
    "What does not belong together (memory, devices' state, disk, hardware) is refused before the\n"
    "guest runs, and stays as it is: `anyvisor start --discard-memory` starts such a machine afresh.";

}  // namespace

extern const Command start_command, stop_command, restart_command, pause_command, resume_command, standby_command,
    restore_command;
constinit const Command start_command{
    "Instances", "start", nullptr,    names,         "Start instances that are stopped or in standby",
    nullptr,     0,       any_number, start_options, run_start};
constinit const Command stop_command{"Instances",  "stop", nullptr,    names,        "Stop instances",
                                     stop_details, 0,      any_number, stop_options, run_stop};
constinit const Command restart_command{
    "Instances",     "restart", nullptr,    names,           "Stop and start instances that run",
    restart_details, 0,         any_number, restart_options, run_restart};
constinit const Command pause_command{
    "Instances", "pause", nullptr,    names,         "Let running instances stand still; they keep their memory",
    nullptr,     0,       any_number, pause_options, run_pause};
constinit const Command resume_command{"Instances", "resume", nullptr,    names,          "Let paused instances go on",
                                       nullptr,     0,        any_number, resume_options, run_resume};
constinit const Command standby_command{
    "Instances",     "standby", "suspend",  names,           "Save the memory of instances and end their VMMs",
    standby_details, 0,         any_number, standby_options, run_standby};
constinit const Command restore_command{
    "Instances",     "restore", nullptr,    names,           "Let instances in standby go on where they stood",
    restore_details, 0,         any_number, restore_options, run_restore};

}  // namespace anyvisor::cli
