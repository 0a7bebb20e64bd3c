// SPDX-License-Identifier: MIT
// One question to a plugin, in a plugin-host of its own that ends with it.
#pragma once

#include <string_view>

#include "anyvisor/manager.hpp"
#include "host/host_client.hpp"

namespace anyvisor {

// What a plugin-host is told to call a plugin with: the plugin, its settings, the request.
json::Document plugin_params(const PluginInfo& plugin, const json::Value& request);

// `home`: where the host keeps its caches (the accelerator's answer); empty: nowhere. Errors: the plugin's;
// unavailable.
Result<json::Document> ask_plugin(const std::string& plugin_host, const PluginInfo& plugin, const std::string& method,
                                  const json::Value& request, std::chrono::milliseconds limit, Operation& operation,
                                  const std::string& home = {});

// The name of the accelerator in a backend's report, empty where it does not say. no_accelerator: it runs no guest
// here.
std::string accelerator_of(const json::Value& report);
// Why it has that one; a sentence also where the report says nothing.
std::string accelerator_reason_of(const json::Value& report);
inline constexpr std::string_view no_accelerator = "none";

}  // namespace anyvisor
