// SPDX-License-Identifier: MIT
// Which plugins are there and what they say of themselves: found on disk, loaded once by a short-lived plugin-host,
// remembered by file identity in the cache.
#pragma once

#include <string>
#include <vector>

#include "anyvisor/manager.hpp"
#include "storage/home.hpp"

namespace anyvisor {

class PluginRegistry {
 public:
  PluginRegistry(const Home& home, const std::string& plugin_host, std::string install_folder)
      : home_(home), plugin_host_(plugin_host), install_folder_(std::move(install_folder)) {}

  // All that were found, good and bad. A plugin that is not in the cache is loaded; `fresh`: each is.
  Result<std::vector<PluginInfo>> list(bool fresh = false) const;
  // One file, by really loading it. A refusal is no error: it stands in PluginInfo::error.
  Result<PluginInfo> check(const std::string& file) const;
  // The good ones with that interface ("backend", "image-store", "network").
  Result<std::vector<PluginInfo>> of_kind(const std::string& kind) const;
  // The one with that id and interface. Errors: not_found (with what there is), or why it cannot be used.
  Result<PluginInfo> find(const std::string& id, const std::string& kind) const;

 private:
  std::vector<PluginInfo> load(const std::vector<std::string>& paths) const;
  const Home& home_;
  const std::string& plugin_host_;
  std::string install_folder_;
};

// Does one of its interfaces belong to that kind ("anyvisor.<kind>/...")?
bool has_kind(const PluginInfo& plugin, const std::string& kind);

}  // namespace anyvisor
