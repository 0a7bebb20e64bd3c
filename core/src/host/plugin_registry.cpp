// SPDX-License-Identifier: MIT
#include "host/plugin_registry.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "host/host_client.hpp"
#include "plugin/descriptor_cache.hpp"
#include "plugin/discovery.hpp"

namespace anyvisor {
namespace {

// A plugin that takes longer to load than this hangs. HostClient adds two seconds of its own: it is reported within
// five.
constexpr std::chrono::milliseconds load_limit{2000};
// Plugin-hosts at a time.
constexpr std::size_t most_at_once = 8;

PluginInfo refused(const PluginFile& file, const Error& error) {
  PluginInfo plugin;
  plugin.path = file.path;
  plugin.id = file.id;
  plugin.error = error.message;
  plugin.error_kind = error.kind;
  plugin.hint = error.hint;
  return plugin;
}

PluginInfo from_json(const json::Value& item) {
  PluginInfo plugin;
  plugin.path = json::string_or(item, "path");
  plugin.id = json::string_or(item, "id");
  plugin.version = json::string_or(item, "version");
  plugin.summary = json::string_or(item, "summary");
  plugin.license = json::string_or(item, "license");
  plugin.abi = json::string_or(item, "abi");
  plugin.interfaces = json::strings_or_empty(item, "interfaces");
  plugin.settings_schema = json::string_or(item, "settings_schema");
  if (const auto* error = json::object_or_null(item, "error")) {
    Error problem = json::to_error(*error);
    plugin.error = problem.message;
    plugin.error_kind = problem.kind;
    plugin.hint = problem.hint;
  }
  return plugin;
}

Result<json::Document> ask(const std::string& program, const std::string& path) {
  ANYVISOR_TRY(HostClient client, HostClient::start_private(program, {path}));
  return client.call("plugins", json::make_object(), load_limit);
}

}  // namespace

bool has_kind(const PluginInfo& plugin, const std::string& kind) {
  return std::ranges::any_of(
      plugin.interfaces, [&](const std::string& interface) { return interface.starts_with("anyvisor." + kind + "/"); });
}

std::vector<PluginInfo> PluginRegistry::load(const std::vector<std::string>& paths) const {
  DescriptorCache cache(home_.cache(), std::string(version()));
  std::vector<PluginInfo> plugins(paths.size());
  // Each in a plugin-host of its own, so that one which crashes or hangs shows which it is and costs the others
  // nothing; side by side, so that several which hang take no longer than one.
  auto load_one = [&](std::size_t i) {
    const std::string& path = paths[i];
    auto answer = ask(plugin_host_, path);
    const json::Value* array = answer ? json::array_or_null(*answer, "plugins") : nullptr;
    if (array && array->Size() == 1) {
      plugins[i] = from_json((*array)[0]);
      // Looking at plugins makes no home folder.
      if (home_.is_there()) (void)cache.put(inspect_plugin_file(path), (*array)[0]);
      return;
    }
    plugins[i].path = path;
    plugins[i].id = plugin_id_of_file_name(path.substr(path.rfind('/') + 1));
    plugins[i].error =
        "it cannot be loaded: " + (answer ? "the plugin-host said nothing of it" : answer.error().message);
    plugins[i].error_kind = answer ? ErrorKind::internal : answer.error().kind;
    plugins[i].hint = "tell the plugin's author, or remove " + path;
  };
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> workers;
  for (std::size_t count = std::min(paths.size(), most_at_once); count > 0; --count)
    workers.emplace_back([&] {
      for (std::size_t i = next++; i < paths.size(); i = next++) load_one(i);
    });
  for (auto& worker : workers) worker.join();
  return plugins;
}

Result<std::vector<PluginInfo>> PluginRegistry::list(bool fresh) const {
  DescriptorCache cache(home_.cache(), std::string(version()));
  std::vector<PluginInfo> plugins;
  std::vector<std::string> unknown;
  for (const auto& file : discover_plugins(install_folder_)) {
    if (file.error) {
      plugins.push_back(refused(file, *file.error));
    } else if (!file.shadowed_by.empty()) {
      Error shadowed;
      shadowed.kind = ErrorKind::already_exists;
      shadowed.message = "another file is used for this id: " + file.shadowed_by;
      plugins.push_back(refused(file, shadowed));
    } else if (auto known = fresh ? std::nullopt : cache.get(file)) {
      plugins.push_back(from_json(*known));
    } else {
      unknown.push_back(file.resolved);
    }
  }
  if (!unknown.empty()) std::ranges::move(load(unknown), std::back_inserter(plugins));
  std::ranges::stable_sort(plugins, {}, &PluginInfo::id);
  return plugins;
}

Result<PluginInfo> PluginRegistry::check(const std::string& path) const {
  PluginFile file = inspect_plugin_file(path);
  if (file.error) return refused(file, *file.error);
  auto plugins = load({file.resolved});
  if (plugins.empty()) return fail(ErrorKind::internal, "the plugin-host did not say anything of \"" + path + "\"");
  return std::move(plugins.front());
}

Result<std::vector<PluginInfo>> PluginRegistry::of_kind(const std::string& kind) const {
  ANYVISOR_TRY(auto plugins, list());
  std::erase_if(plugins, [&](const PluginInfo& plugin) { return !plugin.error.empty() || !has_kind(plugin, kind); });
  return plugins;
}

Result<PluginInfo> PluginRegistry::find(const std::string& id, const std::string& kind) const {
  ANYVISOR_TRY(auto plugins, list());
  std::string others, why, hint;
  for (auto& plugin : plugins) {
    if (plugin.id == id && plugin.error.empty() && has_kind(plugin, kind)) return std::move(plugin);
    if (plugin.id == id && !plugin.error.empty() && why.empty()) {
      why = plugin.error;
      hint = plugin.hint;
    }
    if (plugin.error.empty() && has_kind(plugin, kind)) others += (others.empty() ? "" : ", ") + plugin.id;
  }
  if (!why.empty()) return fail(ErrorKind::unavailable, "the " + kind + " \"" + id + "\" cannot be used: " + why, hint);
  return fail(ErrorKind::not_found, "there is no " + kind + " \"" + id + "\"",
              others.empty() ? "see 'anyvisor plugins list'" : "there is: " + others);
}

}  // namespace anyvisor
