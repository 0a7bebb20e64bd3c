// SPDX-License-Identifier: MIT
// Loading plugins: the only place in anyvisor that dlopens one.
#pragma once

#include <anyvisor/plugin.h>

#include <optional>
#include <string>
#include <vector>

#include "document/json.hpp"

namespace anyvisor::host {

// A loaded plugin: its descriptor and tables, copied by size. The library stays loaded for good.
struct LoadedPlugin {
  std::string path, id, version, summary, license, abi, settings_schema;
  std::vector<std::string> interfaces;
  std::optional<anyvisor_backend_draft1> backend;
  std::optional<anyvisor_image_store_draft1> image_store;
  std::optional<anyvisor_network_draft1> network;
};

// Errors: not_found, corrupted (no plugin, a damaged file), unsupported (another ABI), invalid_argument (a descriptor
// that breaks the contract). Runs the plugin's constructors: it may crash or hang.
Result<LoadedPlugin> load_plugin(const std::string& path);

// As the protocol's `plugins` method has it.
json::Document describe(const LoadedPlugin& plugin);

}  // namespace anyvisor::host
