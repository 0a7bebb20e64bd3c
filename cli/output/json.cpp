// SPDX-License-Identifier: MIT
#include "output/json.hpp"

#include <utility>

#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

// Strings come from files and guests too: what is no UTF-8 must not make the document invalid.
void set_text(json::Document& document, json::Value& object, const char* name, const std::string& text) {
  json::set(document, object, name, valid_utf8(text));
}

void set_texts(json::Document& document, json::Value& object, const char* name, const std::vector<std::string>& texts) {
  std::vector<std::string> valid;
  for (const auto& text : texts) valid.push_back(valid_utf8(text));
  json::set(document, object, name, valid);
}

json::Value to_json(json::Document& document, const EndpointInfo& endpoint) {
  json::Value object(rapidjson::kObjectType);
  set_text(document, object, "id", endpoint.id);
  set_text(document, object, "plugin", endpoint.plugin);
  set_text(document, object, "mac", endpoint.mac);
  set_text(document, object, "mode", endpoint.mode);
  json::Value publish(rapidjson::kArrayType);
  for (const auto& port : endpoint.publish) {
    json::Value entry(rapidjson::kObjectType);
    set_text(document, entry, "protocol", port.protocol);
    set_text(document, entry, "host_address", port.host_address);
    json::set(document, entry, "host_port", static_cast<unsigned>(port.host_port));
    json::set(document, entry, "guest_port", static_cast<unsigned>(port.guest_port));
    publish.PushBack(std::move(entry), document.GetAllocator());
  }
  json::set_value(document, object, "publish", std::move(publish));
  set_texts(document, object, "addresses", endpoint.addresses);
  return object;
}

}  // namespace

json::Value to_json(json::Document& document, const std::vector<Phase>& phases) {
  json::Value array(rapidjson::kArrayType);
  for (const auto& phase : phases) {
    json::Value entry(rapidjson::kObjectType);
    set_text(document, entry, "name", phase.name);
    json::set(document, entry, "start_us", std::int64_t{phase.start.count()});
    json::set(document, entry, "duration_us", std::int64_t{phase.duration.count()});
    array.PushBack(std::move(entry), document.GetAllocator());
  }
  return array;
}

json::Value to_json(json::Document& document, const InstanceInfo& info) {
  json::Value object(rapidjson::kObjectType);
  const std::pair<const char*, const std::string&> texts[] = {
      {"id", info.id},
      {"short_id", info.short_id},
      {"name", info.name},
      {"state_reason", info.state_reason},
      {"state_error", info.state_error},
      {"image", info.image},
      {"image_id", info.image_id},
      {"backend", info.backend},
      {"created", info.created},
      {"started", info.started},
      {"stopped", info.stopped},
      {"deleted", info.deleted},
      {"saved", info.saved},
      {"restored", info.restored},
      {"vmm_name", info.vmm_name},
      {"vmm_version", info.vmm_version},
      {"machine_type", info.machine_type},
      {"accelerator", info.accelerator},
      {"accelerator_reason", info.accelerator_reason},
      {"kernel", info.kernel},
      {"job", info.job},
      {"intent", info.intent},
      {"user", info.user},
      {"folder", info.folder},
      {"console_log", info.console_log},
      {"vmm_log", info.vmm_log},
      {"host_log", info.host_log},
      {"cloned_from", info.cloned_from},
      {"clone_strategy", info.clone_strategy},
      {"clone_identity", info.clone_identity},
      {"clone_consistency", info.clone_consistency},
      {"clone_consistency_reason", info.clone_consistency_reason},
      {"last_operation", info.last_operation},
      {"warning", info.warning},
  };
  json::set(document, object, "state", state_name(info.state));
  for (const auto& [name, text] : texts) set_text(document, object, name, text);
  json::set(document, object, "forced", info.forced);
  json::set(document, object, "already", info.already);
  json::set(document, object, "cpus", info.cpus);
  json::set(document, object, "memory", std::uint64_t{info.memory});
  json::set(document, object, "disk", std::uint64_t{info.disk});
  json::set(document, object, "disk_occupied", std::uint64_t{info.disk_occupied});
  json::set(document, object, "disk_layers", info.disk_layers);
  json::set(document, object, "vmm_pid", info.vmm_pid);
  json::set(document, object, "vsock_cid", std::uint64_t{info.vsock_cid});
  json::set(document, object, "exit_code", info.exit_code);
  json::set(document, object, "exit_signal", info.exit_signal);
  json::set(document, object, "has_saved_memory", info.has_saved_memory);
  json::set(document, object, "saved_durably", info.saved_durably);
  json::set(document, object, "saved_us", std::int64_t{info.saved_took.count()});
  json::set(document, object, "restored_us", std::int64_t{info.restored_took.count()});
  json::Value endpoints(rapidjson::kArrayType);
  for (const auto& endpoint : info.endpoints) endpoints.PushBack(to_json(document, endpoint), document.GetAllocator());
  json::set_value(document, object, "endpoints", std::move(endpoints));
  json::set_value(document, object, "last_phases", to_json(document, info.last_phases));
  return object;
}

json::Value to_json(json::Document& document, const ImageInfo& info) {
  json::Value object(rapidjson::kObjectType);
  const std::pair<const char*, const std::string&> texts[] = {
      {"id", info.id},
      {"name", info.name},
      {"summary", info.summary},
      {"digest", info.digest},
      {"format", info.format},
      {"created", info.created},
      {"command_line", info.command_line},
      {"firmware", info.firmware},
      {"source", info.source},
      {"user", info.user},
      {"store", info.store},
  };
  for (const auto& [name, text] : texts) set_text(document, object, name, text);
  json::set(document, object, "virtual_size", std::uint64_t{info.virtual_size});
  json::set(document, object, "disk_size", std::uint64_t{info.disk_size});
  json::set(document, object, "has_disk", info.has_disk);
  json::set(document, object, "has_kernel", info.has_kernel);
  json::set(document, object, "has_initrd", info.has_initrd);
  json::set(document, object, "cloud_init", info.cloud_init);
  set_texts(document, object, "used_by", info.used_by);
  return object;
}

json::Value to_json(json::Document& document, const PluginInfo& info) {
  json::Value object(rapidjson::kObjectType);
  const std::pair<const char*, const std::string&> texts[] = {
      {"id", info.id},           {"path", info.path},       {"version", info.version},
      {"summary", info.summary}, {"license", info.license}, {"abi", info.abi},
  };
  for (const auto& [name, text] : texts) set_text(document, object, name, text);
  set_texts(document, object, "interfaces", info.interfaces);
  json::Document schema;
  if (!info.settings_schema.empty() && !schema.Parse(info.settings_schema.c_str()).HasParseError())
    json::set_copy(document, object, "settings_schema", schema);
  else
    json::set_null(document, object, "settings_schema");
  if (info.error.empty()) {
    json::set_null(document, object, "error");
  } else {
    json::Value error(rapidjson::kObjectType);
    json::set(document, error, "kind", kind_name(info.error_kind));
    set_text(document, error, "message", info.error);
    set_text(document, error, "hint", info.hint);
    json::set_value(document, object, "error", std::move(error));
  }
  return object;
}

json::Value to_json(json::Document& document, const Leftover& leftover) {
  json::Value object(rapidjson::kObjectType);
  set_text(document, object, "kind", leftover.kind);
  set_text(document, object, "name", leftover.name);
  set_text(document, object, "path", leftover.path);
  json::set(document, object, "size", std::uint64_t{leftover.size});
  return object;
}

json::Value to_json(json::Document& document, const Finding& finding) {
  json::Value object(rapidjson::kObjectType);
  set_text(document, object, "subject", finding.subject);
  json::set(document, object, "ok", finding.ok);
  json::set(document, object, "optional", finding.optional);
  set_text(document, object, "detail", finding.detail);
  set_text(document, object, "consequence", finding.consequence);
  set_text(document, object, "remedy", finding.remedy);
  return object;
}

}  // namespace anyvisor::cli
