// SPDX-License-Identifier: MIT
#include "plugin_set.hpp"

#include <algorithm>

#include "log.hpp"
#include "plugin/discovery.hpp"

namespace anyvisor::host {

void PluginSet::load(const std::function<void(const std::string&)>& on_plugin) {
  for (const auto& path : paths_) {
    on_plugin(path);
    auto plugin = load_plugin(path);
    if (plugin && plugins_.contains(plugin->id))
      plugin = fail(ErrorKind::already_exists, "a plugin \"" + plugin->id + "\" is loaded already");
    if (plugin) {
      std::string id = plugin->id;
      plugins_[id] = std::make_unique<OpenPlugin>(std::move(*plugin), vmm_, home_);
    } else {
      write_log(ANYVISOR_LOG_ERROR, plugin.error().message);
      failed_[path] = std::move(plugin).error();
    }
  }
  loaded_ = true;
}

json::Document PluginSet::answer() const {
  auto document = json::make_object();
  json::Value list(rapidjson::kArrayType);
  for (const auto& path : paths_) {
    auto failed = failed_.find(path);
    if (failed != failed_.end()) {
      json::Value item(rapidjson::kObjectType);
      json::set(document, item, "path", path);
      json::set(document, item, "id", plugin_id_of_file_name(path.substr(path.rfind('/') + 1)));
      json::set_copy(document, item, "error", json::from_error(failed->second));
      list.PushBack(item, document.GetAllocator());
      continue;
    }
    auto found = std::ranges::find_if(plugins_, [&](const auto& entry) { return entry.second->loaded().path == path; });
    if (found != plugins_.end()) json::push_copy(document, list, describe(found->second->loaded()));
  }
  json::set_value(document, document, "plugins", std::move(list));
  return document;
}

void PluginSet::close() {
  for (auto& [id, plugin] : plugins_) plugin->close();
}

Result<OpenPlugin*> PluginSet::find(const std::string& id) {
  if (auto found = plugins_.find(id); found != plugins_.end()) return found->second.get();
  for (const auto& [path, error] : failed_)
    if (plugin_id_of_file_name(path.substr(path.rfind('/') + 1)) == id) {
      Error copy = error;
      return tl::unexpected(std::move(copy));
    }
  return fail(ErrorKind::not_found, "plugin \"" + id + "\" is not loaded in this plugin-host");
}

}  // namespace anyvisor::host
