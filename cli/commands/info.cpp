// SPDX-License-Identifier: MIT
// anyvisor info: everything about an instance.
#include <limits>

#include "command.hpp"
#include "commands/instances.hpp"
#include "commands/publish.hpp"
#include "output/table.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

std::string with_reason(std::string text, const std::string& reason) {
  return reason.empty() || text.empty() ? text : text + " (" + reason + ")";
}

std::string vmm_line(const InstanceInfo& info) {
  if (info.vmm_name.empty()) return {};
  std::string text = info.vmm_name + " " + info.vmm_version;
  if (info.vmm_pid != 0) text += ", process " + std::to_string(info.vmm_pid);
  return text;
}

std::string exit_line(const InstanceInfo& info) {
  if (info.vmm_pid != 0 || !info.state_reason.empty()) return {};
  if (info.exit_signal != 0) return "signal " + std::to_string(info.exit_signal);
  return info.exit_code < 0 ? "" : "exit code " + std::to_string(info.exit_code);
}

// As whom and where ssh comes in; the port is there while it runs.
std::string login_line(const InstanceInfo& info) {
  if (info.user.empty() || info.vmm_pid == 0) return info.user;
  for (const auto& endpoint : info.endpoints)
    for (const auto& port : endpoint.publish)
      if (port.protocol == "tcp" && port.guest_port == 22)
        return info.user + ", ssh at " + port.host_address + ":" + std::to_string(port.host_port);
  if (info.vsock_cid != 0) return info.user + ", over vsock (context id " + std::to_string(info.vsock_cid) + ")";
  return info.user + ", no port leads to its ssh server";
}

std::string last_operation_line(const InstanceInfo& info) {
  if (info.last_operation.empty() || info.last_phases.empty()) return info.last_operation;
  const Phase& last = info.last_phases.back();
  return info.last_operation + ", " + human_duration((last.start + last.duration).count());
}

std::string disk_line(const InstanceInfo& info) {
  if (info.disk == 0) return {};
  std::string text = human_size(info.disk) + " (" + human_size(info.disk_occupied) + " of its own";
  if (info.disk_layers > 1)
    text += ", on " + std::to_string(info.disk_layers - 1) + (info.disk_layers > 2 ? " others" : " other");
  return text + ")";
}

std::string clone_line(const InstanceInfo& info) {
  std::string text = info.clone_strategy;
  if (!info.clone_identity.empty()) text += (text.empty() ? "" : ", ") + ("identity: " + info.clone_identity);
  if (!info.clone_consistency.empty() && info.clone_consistency != "stopped")
    text += ", " + with_reason(info.clone_consistency, info.clone_consistency_reason);
  return text;
}

std::string saved_line(const InstanceInfo& info) {
  if (!info.has_saved_memory) return {};
  return (info.saved_durably ? "on the disk, of " : "in a process (lost when this host restarts), of ") +
         human_time(info.saved) + ", took " + human_duration(info.saved_took.count());
}

std::string restored_line(const InstanceInfo& info) {
  if (info.restored.empty() || info.has_saved_memory) return {};
  // Of one that was killed meanwhile nobody knows how long it took.
  const std::string took = info.restored_took.count() > 0 ? ", took " + human_duration(info.restored_took.count()) : "";
  return human_time(info.restored) + took + "; its memory was saved " + human_time(info.saved);
}

std::string describe_instance(const InstanceInfo& info) {
  Fields fields{
      {"Name", info.name},
      {"Id", info.id},
      {"State", with_reason(shown_state(info), info.state_reason)},
      {"Problem", info.state_error},
      {"Unfinished", info.intent.empty() ? "" : info.intent + ": the next command finishes or undoes it"},
      {"In the background", info.job},
      {"Image", info.image},
      {"Cloned from", with_reason(info.cloned_from, clone_line(info))},
      {"CPUs", info.cpus ? std::to_string(info.cpus) : ""},
      {"Memory", info.memory ? human_size(info.memory) : ""},
      {"Saved memory", saved_line(info)},
      {"Restored", restored_line(info)},
      {"Disk", disk_line(info)},
  };
  for (const auto& endpoint : info.endpoints) {
    std::string text = endpoint.id + ", " + endpoint.plugin + ", " + endpoint.mac;
    for (const auto& address : endpoint.addresses) text += ", " + address;
    fields.emplace_back(&endpoint == &info.endpoints.front() ? "Network" : "", text);
    for (const auto& port : endpoint.publish) fields.emplace_back("", describe(port));
  }
  fields.emplace_back("Login", login_line(info));
  const Fields rest{
      {"Created", human_time(info.created)},
      {"Started", human_time(info.started)},
      {"Stopped", human_time(info.stopped)},
      {"Deleted", human_time(info.deleted)},
      {"VMM ended with", exit_line(info)},
      {"Backend", info.backend},
      {"VMM", vmm_line(info)},
      {"Machine type", info.machine_type},
      {"Accelerator", with_reason(info.accelerator, info.accelerator_reason)},
      {"Kernel", info.kernel},
      {"Last operation", last_operation_line(info)},
      {"Folder", info.folder},
  };
  fields.insert(fields.end(), rest.begin(), rest.end());
  return render_fields(fields);
}

int run(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  std::vector<InstanceInfo> found;
  std::vector<std::string> names = arguments.positional();
  if (names.empty())
    for (const auto& info : value_of(manager.list())) names.push_back(info.id);
  const int code = session.for_each(names, [&](const std::string& name) -> Result<void> {
    auto info = manager.info(name);
    if (!info) return tl::unexpected<Error>(std::move(info).error());
    found.push_back(std::move(*info));
    return {};
  });
  print_instances_json(session, arguments.positional(), found);
  if (!session.structured())
    for (const auto& info : found) session.print((&info == &found.front() ? "" : "\n") + describe_instance(info));
  return code;
}

}  // namespace

extern const Command info_command;
constinit const Command info_command{"Instances",
                                     "info",
                                     nullptr,
                                     "[NAME...]",
                                     "Show everything about instances",
                                     "NAME is a name, an id, or the beginning of an id. Without NAME: all instances.",
                                     0,
                                     std::numeric_limits<unsigned>::max(),
                                     {},
                                     run};

}  // namespace anyvisor::cli
