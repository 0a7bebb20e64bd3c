// SPDX-License-Identifier: MIT
// anyvisor list, and what the commands about instances have in common.
#include "commands/instances.hpp"

#include <unistd.h>

#include "command.hpp"
#include "commands/publish.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

std::string shown_state(const InstanceInfo& info) {
  return info.deleted.empty() ? std::string(state_name(info.state)) : "Deleted";
}

std::string published_ports(const InstanceInfo& info) {
  std::string text;
  for (const auto& endpoint : info.endpoints)
    for (const auto& port : endpoint.publish) text += (text.empty() ? "" : ", ") + describe(port);
  return text;
}

void print_instances_json(const Session& session, const std::vector<std::string>& asked,
                          const std::vector<InstanceInfo>& infos) {
  if (!session.structured() || (infos.empty() && asked.size() == 1)) return;
  session.answer(asked.size() == 1 ? json_text(infos.front()) : json_list("instances", infos));
}

std::vector<std::string> named_or_all(Session& session, const Arguments& arguments, const char* command,
                                      const std::function<bool(const InstanceInfo&)>& fits) {
  const auto& names = arguments.positional();
  if (!arguments.has("all")) {
    if (!names.empty()) return names;
    const std::string itself = command;
    throw UsageError("'" + itself + "' needs NAME... or --all", "usage: anyvisor " + itself + " NAME... | --all");
  }
  if (!names.empty())
    throw UsageError("--all means all instances, and \"" + names.front() + "\" is named besides",
                     "give one of the two");
  std::vector<std::string> all;
  for (const auto& info : value_of(session.manager().list()))
    if (info.state_error.empty() && fits(info)) all.push_back(info.name);
  if (all.empty()) session.tell("No instance for which there is anything to do.");
  return all;
}

namespace {

int run_list(Session& session, const Arguments&) {
  const auto instances = value_of(session.manager().list());
  if (session.structured()) {
    session.answer(json_list("instances", instances));
    return 0;
  }
  if (instances.empty()) {
    const std::string& home = session.manager().home();
    session.tell(::access(home.c_str(), F_OK) == 0
                     ? "No instances. Make one with: anyvisor launch IMAGE"
                     : "No instances: there is no home folder " + home + " yet. Make one with: anyvisor launch IMAGE");
    return 0;
  }
  Table table({"NAME", "STATE", "IMAGE", "CPUS", "MEMORY", "DISK", "PUBLISHED"});
  for (const auto& info : instances)
    table.add({info.name, shown_state(info) + (info.job.empty() ? "" : " (" + info.job + ")"), info.image,
               info.cpus ? std::to_string(info.cpus) : "", info.memory ? human_size(info.memory) : "",
               info.disk ? human_size(info.disk) : "", published_ports(info)});
  session.print(table.render());
  for (const auto& info : instances)
    if (!info.state_error.empty()) warn(info.name + ": " + info.state_error, false);
  return 0;
}

}  // namespace

extern const Command list_command;
constinit const Command list_command{"Instances", "list", "ls", "", "Show all instances", nullptr, 0, 0, {}, run_list};

}  // namespace anyvisor::cli
