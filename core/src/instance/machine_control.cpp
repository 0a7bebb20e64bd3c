// SPDX-License-Identifier: MIT
#include "instance/machine_control.hpp"

#include <algorithm>
#include <set>

#include "instance/machine_document.hpp"
#include "instance/state_machine.hpp"
#include "settings/settings.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

// Limits of single calls. A VMM's start is bounded by reading firmware, kernel and initrd from a slow disk; everything
// else is short.
constexpr milliseconds attach_limit{10000};
constexpr milliseconds capabilities_limit{60000};  // may probe an accelerator
constexpr milliseconds seed_limit{30000};
constexpr milliseconds network_limit{30000};
constexpr milliseconds create_limit{60000};
constexpr milliseconds hop_limit{30000};
constexpr milliseconds clock_limit{10000};
constexpr milliseconds save_limit{3600000};    // as many bytes as the guest has touched, to a slow disk
constexpr milliseconds terminate_grace{3000};  // between asking a VMM to end and SIGKILL

json::Document make_endpoint_request(const InstanceRecord& record, const NetworkRecord& network) {
  auto params = json::make_object();
  json::Value instance(rapidjson::kObjectType);
  json::set(params, instance, "id", record.id);
  json::set(params, instance, "name", record.name);
  json::Value endpoint(rapidjson::kObjectType);
  json::set(params, endpoint, "id", network.id);
  json::set(params, endpoint, "plugin", network.plugin);
  json::set(params, endpoint, "mac", network.mac);
  json::set(params, endpoint, "restrict", network.restricted);
  json::set_value(params, endpoint, "publish", to_json(network.publish, params));
  json::Value request(rapidjson::kObjectType);
  json::set_value(params, request, "instance", std::move(instance));
  json::set_value(params, request, "endpoint", std::move(endpoint));
  json::set(params, params, "plugin", network.plugin);
  json::set_value(params, params, "request", std::move(request));
  return params;
}

NetworkRecord with_ports_of(NetworkRecord network, const EndpointInfo& endpoint) {
  for (std::size_t i = 0; i < network.publish.size() && i < endpoint.publish.size(); ++i)
    if (network.publish[i].guest_port == endpoint.publish[i].guest_port)
      network.publish[i].host_port = endpoint.publish[i].host_port;
  return network;
}

void set_place(json::Document& params, const MachineControl::SavedPlace& place) {
  json::set(params, params, "folder", place.folder);
  json::set(params, params, "label", place.label);
  json::set(params, params, "durable", place.durable);
}

}  // namespace

MachineControl::MachineControl(HostClient client, const Workspace& workspace, InstanceRecord record)
    : client_(std::move(client)), workspace_(&workspace), record_(std::move(record)) {}

Result<MachineControl> MachineControl::reach(const Workspace& workspace, const InstanceRecord& record,
                                             milliseconds patience) {
  std::vector<std::string> files;
  ANYVISOR_TRY(PluginInfo backend, workspace.plugins.find(record.backend, "backend"));
  files.push_back(backend.path);
  std::set<std::string> networks;
  for (const auto& network : record.networks)
    if (networks.insert(network.plugin).second) {
      ANYVISOR_TRY(PluginInfo plugin, workspace.plugins.find(network.plugin, "network"));
      files.push_back(plugin.path);
    }
  std::string folder = workspace.home.instance(record.id);
  ANYVISOR_TRY(HostClient client, HostClient::connect_or_start(workspace.plugin_host, folder, files, patience));
  MachineControl control(std::move(client), workspace, record);

  ANYVISOR_TRY(auto machine, make_machine_document(workspace, record));
  auto params = json::make_object();
  json::set(params, params, "backend", record.backend);
  json::set_value(params, params, "settings", json::Value(rapidjson::kObjectType));
  json::Value settings(rapidjson::kObjectType);
  for (const auto& network : networks)
    json::set_value(params, settings, network.c_str(), json::Value(rapidjson::kObjectType));
  json::set_value(params, params, "networks", std::move(settings));
  json::set_copy(params, params, "machine", machine);
  Operation quiet;
  ANYVISOR_CHECK(control.call("machine.attach", params, std::max(attach_limit, patience), quiet));
  return control;
}

Result<json::Document> MachineControl::call(const std::string& method, const json::Value& params, milliseconds limit,
                                            Operation& operation) {
  auto reply = client_.call(method, params, limit, operation);
  if (!reply) return reply;
  if (json::find(*reply, "state")) {
    observed_.state = state_from_wire(json::string_or(*reply, "state"));
    observed_.reason = json::string_or(*reply, "reason");
  }
  return reply;
}

Result<json::Document> MachineControl::report(Operation& operation) {
  ANYVISOR_TRY(auto machine, make_machine_document(*workspace_, record_));
  auto params = json::make_object();
  json::set(params, params, "plugin", record_.backend);
  json::set_value(params, params, "settings", json::Value(rapidjson::kObjectType));
  json::Value request(rapidjson::kObjectType);
  json::set_copy(params, request, "machine", machine);
  json::set_value(params, params, "request", std::move(request));
  return call("backend.capabilities", params, capabilities_limit, operation);
}

Result<json::Document> MachineControl::check_capabilities(Operation& operation) {
  ANYVISOR_TRY(auto report, this->report(operation));
  const auto* capabilities = json::object_or_null(report, "capabilities");
  const auto require = [&](const char* needed, const char* what) -> Result<void> {
    const auto* answer = capabilities ? json::object_or_null(*capabilities, needed) : nullptr;
    if (!answer || json::string_or(*answer, "answer") == "yes") return {};
    return fail(ErrorKind::unsupported, "the backend \"" + record_.backend + "\" cannot " + what +
                                            " this machine: " + json::string_or(*answer, "reason"));
  };
  ANYVISOR_CHECK(require(record_.boot_method == "kernel" ? "kernel_boot" : "firmware", "boot"));
  if (record_.has_seed) ANYVISOR_CHECK(require("config_disk", "give a seed disk to"));
  return report;
}

Result<void> MachineControl::write_seed(const std::vector<std::pair<std::string, std::string>>& files,
                                        Operation& operation) {
  auto params = json::make_object();
  json::Value texts(rapidjson::kObjectType);
  for (const auto& [name, text] : files) json::set(params, texts, name.c_str(), text);
  json::set_value(params, params, "files", std::move(texts));
  ANYVISOR_CHECK(call("seed.write", params, seed_limit, operation));
  return {};
}

Result<json::Document> MachineControl::acquire_networks(const std::vector<EndpointInfo>& before, Operation& operation) {
  auto params = json::make_object();
  json::Value endpoints(rapidjson::kArrayType);
  for (const auto& network : record_.networks) {
    const auto then = std::ranges::find(before, network.id, &EndpointInfo::id);
    auto endpoint = Result<json::Document>(fail(ErrorKind::not_found, "it had none"));
    if (then != before.end())
      endpoint = call("network.acquire", make_endpoint_request(record_, with_ports_of(network, *then)), network_limit,
                      operation);
    // A port that was chosen may be somebody else's by now: then any other.
    if (!endpoint)
      endpoint = call("network.acquire", make_endpoint_request(record_, network), network_limit, operation);
    if (!endpoint) return endpoint;
    json::push_copy(params, endpoints, *endpoint);
  }
  json::set_value(params, params, "endpoints", std::move(endpoints));
  return params;
}

Result<std::string> MachineControl::create(Operation& operation) {
  ANYVISOR_CHECK(Settings::read(workspace_->home.path()));  // the machine document takes defaults for what is damaged
  ANYVISOR_TRY(auto params, acquire_networks({}, operation));
  return start_vmm("machine.create", params, operation);
}

Result<std::string> MachineControl::restore(const SavedPlace& place, const std::vector<EndpointInfo>& before,
                                            Operation& operation) {
  ANYVISOR_TRY(auto params, acquire_networks(before, operation));
  set_place(params, place);
  return start_vmm("machine.restore", params, operation);
}

Result<std::string> MachineControl::start_vmm(const std::string& method, const json::Value& params,
                                              Operation& operation) {
  ANYVISOR_TRY(auto reply, call(method, params, create_limit, operation));
  auto hardware = json::make_object();
  if (const auto* given = json::object_or_null(reply, "hardware")) hardware.CopyFrom(*given, hardware.GetAllocator());
  // No hardware, but it belongs beside the accelerator in what people are shown.
  if (json::find(reply, "accelerator_reason"))
    json::set(hardware, hardware, "accelerator_reason", json::string_or(reply, "accelerator_reason"));
  return json::render(hardware);
}

Result<void> MachineControl::boot(Operation& operation) {
  ANYVISOR_CHECK(call("machine.boot", json::make_object(), hop_limit, operation));
  return {};
}

Result<void> MachineControl::pause(Operation& operation) {
  ANYVISOR_CHECK(call("machine.pause", json::make_object(), hop_limit, operation));
  return {};
}

Result<void> MachineControl::resume(Operation& operation) {
  ANYVISOR_CHECK(call("machine.resume", json::make_object(), hop_limit, operation));
  return {};
}

Result<std::string> MachineControl::set_clock(Operation& operation) {
  auto params = json::make_object();
  json::set(params, params, "set_clock", true);
  ANYVISOR_TRY(auto reply, call("machine.resume", params, clock_limit, operation));
  const std::string clock = json::string_or(reply, "clock", "the backend does not set clocks");
  return clock == "set" ? std::string() : clock;
}

Result<bool> MachineControl::check_can_save(Operation& operation) {
  ANYVISOR_TRY(auto report, this->report(operation));
  const auto* capabilities = json::object_or_null(report, "capabilities");
  for (const char* needed : {"save", "restore"}) {
    const auto* answer = capabilities ? json::object_or_null(*capabilities, needed) : nullptr;
    if (answer && json::string_or(*answer, "answer") == "yes") continue;
    return fail(ErrorKind::unsupported,
                "the backend \"" + record_.backend + "\" cannot " + needed + " the memory of \"" + record_.name +
                    "\": " + (answer ? json::string_or(*answer, "reason") : "it does not say that it can"),
                "stop it instead: anyvisor stop " + record_.name);
  }
  const auto* accelerator = json::object_or_null(report, "accelerator");
  return accelerator && json::bool_or(*accelerator, "emulated", false);
}

Result<MachineControl::Saved> MachineControl::save(const SavedPlace& place, Operation& operation) {
  auto params = json::make_object();
  set_place(params, place);
  ANYVISOR_TRY(auto reply, call("machine.save", params, save_limit, operation));
  Saved saved;
  if (const auto* state = json::object_or_null(reply, "device_state"))
    saved.state_file = json::string_or(*state, "file");
  if (const auto* memory = json::object_or_null(reply, "memory")) {
    saved.memory_file = json::string_or(*memory, "file");
    saved.memory_size = json::uint_or(*memory, "size", 0);
  }
  saved.has_agent = json::bool_or(reply, "agent", false);
  if (const auto* vmm = json::object_or_null(reply, "vmm")) {
    saved.vmm_name = json::string_or(*vmm, "name");
    saved.vmm_version = json::string_or(*vmm, "version");
  }
  if (place.durable && saved.memory_file.empty())
    return fail(ErrorKind::backend_failed,
                "the backend \"" + record_.backend + "\" has not saved the memory in a file");
  return saved;
}

Result<void> MachineControl::check_can_snapshot_disk(Operation& operation) {
  ANYVISOR_TRY(auto report, this->report(operation));
  const auto* capabilities = json::object_or_null(report, "capabilities");
  const auto* answer = capabilities ? json::object_or_null(*capabilities, "snapshot_disk") : nullptr;
  if (answer && json::string_or(*answer, "answer") == "yes") return {};
  return fail(ErrorKind::unsupported,
              "the backend \"" + record_.backend + "\" cannot switch the disk of \"" + record_.name +
                  "\" while it runs: " + (answer ? json::string_or(*answer, "reason") : "it does not say that it can"),
              "stop it first: anyvisor stop " + record_.name);
}

Result<MachineControl::DiskSnapshot> MachineControl::snapshot_disk(const std::string& overlay, bool freeze,
                                                                   Operation& operation) {
  auto params = json::make_object();
  json::set(params, params, "disk", "root");
  json::Value file(rapidjson::kObjectType);
  json::set(params, file, "path", overlay);
  json::set(params, file, "format", "qcow2");
  json::set_value(params, params, "overlay", std::move(file));
  json::set(params, params, "freeze", freeze);
  ANYVISOR_TRY(auto reply, call("machine.snapshot_disk", params, hop_limit, operation));
  return DiskSnapshot{json::bool_or(reply, "switched", true), json::bool_or(reply, "frozen", false),
                      std::chrono::microseconds(json::int_or(reply, "held_us", 0)),
                      json::string_or(reply, "frozen_reason")};
}

Result<std::string> MachineControl::vsock_socket(Operation& operation) {
  ANYVISOR_TRY(auto reply, call("machine.guest_endpoints", json::make_object(), hop_limit, operation));
  const auto* vsock = json::object_or_null(reply, "vsock");
  if (!vsock)
    return fail(ErrorKind::backend_failed,
                "the backend \"" + record_.backend + "\" does not say how the vsock device is reached");
  return json::string_or(*vsock, "socket");
}

std::string MachineControl::reason_against(const char* capability, Operation& operation) {
  const auto report = this->report(operation);
  const auto* capabilities = report ? json::object_or_null(*report, "capabilities") : nullptr;
  const auto* answer = capabilities ? json::object_or_null(*capabilities, capability) : nullptr;
  if (!answer || json::string_or(*answer, "answer") == "yes") return {};
  return json::string_or(*answer, "reason");
}

Result<void> MachineControl::ask_to_power_off(const std::string& method, Operation& operation) {
  auto params = json::make_object();
  json::set(params, params, "method", method);
  ANYVISOR_CHECK(call("machine.shutdown", params, hop_limit, operation));
  return {};
}

Result<void> MachineControl::wait_for_power_off(milliseconds grace, Operation& operation) {
  auto params = json::make_object();
  json::set(params, params, "states", std::vector<std::string>{"shutdown", "stopped"});
  ANYVISOR_CHECK(call("machine.wait", params, grace, operation));
  return {};
}

Result<void> MachineControl::terminate(bool force, Operation& operation) {
  auto params = json::make_object();
  json::set(params, params, "force", force);
  json::set(params, params, "grace_ms", static_cast<std::int64_t>(terminate_grace.count()));
  ANYVISOR_CHECK(call("machine.terminate", params, hop_limit, operation));
  return {};
}

}  // namespace anyvisor
