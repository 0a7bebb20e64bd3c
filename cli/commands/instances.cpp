// SPDX-License-Identifier: MIT
// anyvisor list, start, stop, pause, resume, delete.
#include "commands/instances.hpp"

#include <array>
#include <limits>

#include "command.hpp"
#include "commands/publish.hpp"
#include "commands/wait.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

std::string published_ports(const InstanceInfo& info) {
  std::string text;
  for (const auto& endpoint : info.endpoints)
    for (const auto& port : endpoint.publish) text += (text.empty() ? "" : ", ") + describe(port);
  return text;
}

void print_instances_json(const Session& session, const std::vector<std::string>& asked,
                          const std::vector<InstanceInfo>& infos) {
  if (!session.json() || (infos.empty() && asked.size() == 1)) return;
  session.print(asked.size() == 1 ? json_text(infos.front()) : json_list("instances", infos));
}

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

int run_list(Session& session, const Arguments&) {
  const auto instances = value_of(session.manager().list());
  if (session.json()) {
    session.print(json_list("instances", instances));
    return 0;
  }
  if (instances.empty()) {
    session.tell("No instances. Make one with: anyvisor launch IMAGE");
    return 0;
  }
  Table table({"NAME", "STATE", "IMAGE", "CPUS", "MEMORY", "DISK", "PUBLISHED"});
  for (const auto& info : instances)
    table.add({info.name, std::string(state_name(info.state)) + (info.job.empty() ? "" : " (" + info.job + ")"),
               info.image, info.cpus ? std::to_string(info.cpus) : "", info.memory ? human_size(info.memory) : "",
               info.disk ? human_size(info.disk) : "", published_ports(info)});
  session.print(table.render());
  for (const auto& info : instances)
    if (!info.state_error.empty()) warn(info.name + ": " + info.state_error, false);
  return 0;
}

// start and stop: each name in turn, then what became of them.
template <class Call>
int change_each(Session& session, const Arguments& arguments, const std::string& doing, const std::string& done,
                Call call) {
  std::vector<InstanceInfo> changed;
  const int code = session.for_each(arguments.positional(), [&](const std::string& name) -> Result<void> {
    auto result = session.perform(doing + " " + name, [&](Operation& operation) { return call(name, operation); });
    if (!result) return tl::unexpected<Error>(std::move(result).error());
    if (!result->warning.empty()) warn(result->warning, session.json());
    const std::string ports = result->vmm_pid != 0 ? published_ports(*result) : "";
    session.tell(done + " " + result->name + (ports.empty() ? "" : ", " + ports));
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
  return change_each(session, arguments, "starting", "Started", [&](const std::string& name, Operation& operation) {
    return manager.start(name, request, operation);
  });
}

int run_standby(Session& session, const Arguments& arguments) {
  StandbyRequest request;
  request.durable = !arguments.has("no-durable");
  Manager& manager = session.manager();
  return change_each(session, arguments, "putting into standby",
                     "In standby:", [&](const std::string& name, Operation& operation) {
                       return manager.standby(name, request, operation);
                     });
}

int run_restore(Session& session, const Arguments& arguments) {
  const WaitRequest wait = read_wait(arguments, "running");
  Manager& manager = session.manager();
  return change_each(session, arguments, "restoring", "Restored", [&](const std::string& name, Operation& operation) {
    return manager.restore(name, wait, operation);
  });
}

int run_stop(Session& session, const Arguments& arguments) {
  StopRequest request;
  request.force = arguments.has("force");
  const auto grace = static_cast<unsigned>(request.grace.count() / 1000);
  request.grace = std::chrono::seconds(arguments.number("timeout", grace, 0));
  request.force_after_grace = !arguments.has("no-force");
  if (request.force && !request.force_after_grace)
    throw UsageError("--force and --no-force contradict each other", "give one of the two");
  if (request.force && arguments.has("timeout"))
    throw UsageError("--force does not wait, so --timeout says nothing", "give one of the two");
  Manager& manager = session.manager();
  return change_each(session, arguments, "stopping", "Stopped", [&](const std::string& name, Operation& operation) {
    return manager.stop(name, request, operation);
  });
}

int run_pause(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  return change_each(session, arguments, "pausing", "Paused",
                     [&](const std::string& name, Operation& operation) { return manager.pause(name, operation); });
}

int run_resume(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  return change_each(session, arguments, "resuming", "Resumed",
                     [&](const std::string& name, Operation& operation) { return manager.resume(name, operation); });
}

int run_delete(Session& session, const Arguments& arguments) {
  DeleteRequest request;
  request.force = arguments.has("force");
  Manager& manager = session.manager();
  std::vector<std::string> deleted;
  const int code = session.for_each(arguments.positional(), [&](const std::string& name) -> Result<void> {
    auto result = session.perform("deleting " + name,
                                  [&](Operation& operation) { return manager.remove(name, request, operation); });
    if (!result) return result;
    session.tell("Deleted " + name);
    deleted.push_back(name);
    return {};
  });
  if (session.json() && (code == 0 || !deleted.empty())) {
    json::Document document = json::make_object();
    json::set(document, document, "deleted", deleted);
    session.print(json::render_pretty(document));
  }
  return code;
}

constexpr std::array start_options{
    Option{"discard-memory", 0, nullptr, "Of one in Standby: give its saved memory up and start afresh"}, wait_option,
    wait_timeout_option};
constexpr std::array standby_options{
    Option{"no-durable", 0, nullptr, "Keep the memory in a process and not on the disk: lost when this host restarts"},
};
constexpr std::array restore_options{wait_option, wait_timeout_option};
constexpr std::array stop_options{
    Option{"force", 'f', nullptr, "Do not ask the guest: end it at once"},
    Option{"timeout", 't', "SECONDS", "How long the guest may take to power off before it is ended (default: 30)"},
    Option{"no-force", 0, nullptr, "Do not end it then: fail, and let it run on"},
};
constexpr std::array delete_options{
    Option{"force", 'f', nullptr, "Also when it runs"},
};

}  // namespace

extern const Command list_command, start_command, stop_command, pause_command, resume_command, standby_command,
    restore_command, delete_command;
constinit const Command list_command{"Instances", "list", "ls", "", "Show all instances", nullptr, 0, 0, {}, run_list};
constinit const Command start_command{
    "Instances", "start", nullptr,    "NAME...",     "Start instances that are stopped or in standby",
    nullptr,     1,       any_number, start_options, run_start};
constinit const Command stop_command{"Instances",
                                     "stop",
                                     nullptr,
                                     "NAME...",
                                     "Stop instances",
                                     "Asks the guest to power off (its guest agent, else by the power button), waits, "
                                     "ends it when it does not, and says "
                                     "so.",
                                     1,
                                     any_number,
                                     stop_options,
                                     run_stop};
constinit const Command pause_command{
    "Instances", "pause", nullptr,    "NAME...", "Let running instances stand still; they keep their memory",
    nullptr,     1,       any_number, {},        run_pause};
constinit const Command resume_command{"Instances", "resume", nullptr,    "NAME...", "Let paused instances go on",
                                       nullptr,     1,        any_number, {},        run_resume};
constinit const Command standby_command{
    "Instances",
    "standby",
    "suspend",
    "NAME...",
    "Save the memory of instances and end their VMMs",
    "`anyvisor start` or `anyvisor restore` lets the guest go on where it stood, once.\n"
    "Its published ports open again; connections over them are cut.",
    1,
    any_number,
    standby_options,
    run_standby};
constinit const Command restore_command{
    "Instances",
    "restore",
    nullptr,
    "NAME...",
    "Let instances in standby go on where they stood",
    "What does not belong together (memory, devices' state, disk, hardware) is refused before the\n"
    "guest runs, and stays as it is: `anyvisor start --discard-memory` starts such a machine afresh.",
    1,
    any_number,
    restore_options,
    run_restore};
constinit const Command delete_command{
    "Instances", "delete", "rm",       "NAME...",      "Remove instances with their disks",
    nullptr,     1,        any_number, delete_options, run_delete};

}  // namespace anyvisor::cli
