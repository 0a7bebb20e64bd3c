// SPDX-License-Identifier: MIT
#include "host/ask_plugin.hpp"

namespace anyvisor {

json::Document plugin_params(const PluginInfo& plugin, const json::Value& request) {
  auto params = json::make_object();
  json::set(params, params, "plugin", plugin.id);
  json::set_value(params, params, "settings", json::Value(rapidjson::kObjectType));
  json::set_copy(params, params, "request", request);
  return params;
}

Result<json::Document> ask_plugin(const std::string& plugin_host, const PluginInfo& plugin, const std::string& method,
                                  const json::Value& request, std::chrono::milliseconds limit, Operation& operation,
                                  const std::string& home) {
  ANYVISOR_TRY(HostClient client, HostClient::start_private(plugin_host, {plugin.path}, home));
  return client.call(method, plugin_params(plugin, request), limit, operation);
}

std::string accelerator_of(const json::Value& report) {
  const auto* accelerator = json::object_or_null(report, "accelerator");
  return accelerator ? json::string_or(*accelerator, "name") : std::string();
}

std::string accelerator_reason_of(const json::Value& report) {
  const auto* accelerator = json::object_or_null(report, "accelerator");
  const std::string reason = accelerator ? json::string_or(*accelerator, "reason") : std::string();
  return reason.empty() ? "it has no accelerator here, and does not say why" : reason;
}

}  // namespace anyvisor
