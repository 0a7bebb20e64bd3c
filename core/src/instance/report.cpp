// SPDX-License-Identifier: MIT
// list and info: what an instance is now. They repair nothing and take no lock.
#include <algorithm>

#include "image/kernel_version.hpp"
#include "instance/identifier.hpp"
#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "process/background_job.hpp"
#include "process/process_identity.hpp"
#include "standby/manifest.hpp"

namespace anyvisor {
namespace {

// What the backend said of the guest's hardware; what it did not say stays as it is.
void describe_hardware(const std::string& text, InstanceInfo& info) {
  auto hardware = json::parse_object(text, "hardware");
  if (!hardware) return;
  info.machine_type = json::string_or(*hardware, "machine_type", info.machine_type);
  info.accelerator = json::string_or(*hardware, "accelerator", info.accelerator);
  info.accelerator_reason = json::string_or(*hardware, "accelerator_reason", info.accelerator_reason);
  if (const auto* vmm = json::object_or_null(*hardware, "vmm")) {
    info.vmm_name = json::string_or(*vmm, "name", info.vmm_name);
    info.vmm_version = json::string_or(*vmm, "version", info.vmm_version);
  }
}

void describe_process(const ProcessRecord& record, const std::string& home, InstanceInfo& info) {
  info.started = record.started;
  if (is_alive(record, home)) info.vmm_pid = record.process.pid;
  if (record.exit) {
    info.stopped = record.exit->time;
    info.exit_code = record.exit->code;
    info.exit_signal = record.exit->signal;
  }
  describe_hardware(record.hardware, info);
  if (info.vmm_pid != 0) info.vsock_cid = vsock_cid_of(record.hardware);
  rapidjson::Document endpoints;
  endpoints.Parse(record.endpoints.data(), record.endpoints.size());
  // The ports of a machine that does not run are nobody's.
  if (!endpoints.HasParseError() && info.vmm_pid != 0) info.endpoints = endpoints_from_json(endpoints);
}

InstanceInfo describe(const Workspace& workspace, const InstanceRecord& record) {
  std::string folder = workspace.home.instance(record.id);
  InstanceInfo info;
  info.id = record.id;
  info.short_id = short_id(record.id);
  info.name = record.name;
  info.image = record.image;
  info.image_id = record.image_id;
  info.backend = record.backend;
  info.cpus = record.cpus;
  info.memory = record.memory;
  info.created = record.created;
  info.deleted = record.deleted;
  info.user = record.user;
  if (record.boot_method == "kernel") {
    info.kernel = kernel_version(folder + "/kernel");
    if (info.kernel.empty()) info.kernel = folder + "/kernel";
  }
  info.folder = folder;
  info.console_log = folder + "/logs/console.log";
  info.vmm_log = folder + "/logs/vmm.log";
  info.host_log = folder + "/logs/anyvisor.log";
  info.cloned_from = record.cloned_from;
  info.clone_strategy = record.clone_strategy;
  info.clone_identity = record.clone_identity;
  info.clone_consistency = record.clone_consistency;
  info.clone_consistency_reason = record.clone_consistency_reason;
  info.last_operation = record.last_operation;
  info.last_phases = record.last_phases;
  if (!record.disk.empty()) {
    auto chain = workspace.disks.chain(record.disk);
    if (chain) {
      info.disk = chain->front().virtual_size;
      info.disk_occupied = workspace.disks.occupied(chain->front());
      info.disk_layers = static_cast<unsigned>(chain->size());
    } else {
      info.state_error = chain.error().message;
    }
  }
  for (const auto& network : record.networks)
    info.endpoints.push_back({network.id, network.plugin, network.mac, "", network.publish, {}});
  if (auto job = running_job(folder)) info.job = job->operation;
  info.saved = record.saved;
  info.saved_took = record.saved_took;
  info.restored = record.restored;
  info.restored_took = record.restored_took;
  if (auto manifest = read_manifest(folder); manifest && *manifest) {
    info.saved = (*manifest)->saved;
    info.saved_took = (*manifest)->took;
    info.saved_durably = (*manifest)->durable;
  }
  Observed observed = observe(workspace, record);
  info.state = observed.state;
  info.state_reason = observed.reason;
  info.has_saved_memory = observed.state == State::standby;
  describe_hardware(record.hardware, info);
  if (auto process = read_process_record(folder)) describe_process(*process, workspace.home.path(), info);
  if (auto intent = read_intent(folder)) {
    if (*intent) info.intent = (*intent)->operation;
  } else {
    info.state_error = intent.error().message;
  }
  return info;
}

InstanceInfo describe_damaged(const Workspace& workspace, const std::string& id, const Error& error) {
  InstanceInfo info;
  info.id = id;
  info.short_id = short_id(id);
  info.name = info.short_id;
  info.folder = workspace.home.instance(id);
  info.state_error = error.message;
  info.state_reason = error.hint;
  return info;
}

}  // namespace

Result<std::vector<InstanceInfo>> list(const Workspace& workspace) {
  ANYVISOR_TRY(auto entries, read_instances(workspace));
  std::vector<InstanceInfo> all;
  for (const auto& entry : entries)
    all.push_back(entry.record ? describe(workspace, *entry.record)
                               : describe_damaged(workspace, entry.id, entry.record.error()));
  std::ranges::sort(all, {}, &InstanceInfo::name);
  return all;
}

Result<InstanceInfo> info(const Workspace& workspace, const std::string& instance) {
  auto record = find_instance(workspace, instance);
  if (record) return describe(workspace, *record);
  // A damaged one is still there to be looked at, by its id.
  if (record.error().kind == ErrorKind::corrupted || record.error().kind == ErrorKind::unsupported) {
    ANYVISOR_TRY(auto entries, read_instances(workspace));
    for (const auto& entry : entries)
      if (!entry.record && (entry.id.starts_with(instance) || short_id(entry.id).starts_with(instance)))
        return describe_damaged(workspace, entry.id, entry.record.error());
  }
  return tl::unexpected(std::move(record).error());
}

}  // namespace anyvisor
