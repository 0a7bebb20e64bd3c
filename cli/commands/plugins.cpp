// SPDX-License-Identifier: MIT
// anyvisor plugins list, info, check: by really loading them.
#include <anyvisor/json.hpp>
#include <array>
#include <filesystem>

#include "command.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr std::array list_options{
    Option{"fresh", 0, nullptr, "Load each again instead of using what was found before"},
};

// "anyvisor.image-store/draft-1" as "image-store".
std::string provides(const PluginInfo& info) {
  std::string all;
  for (std::string name : info.interfaces) {
    if (name.starts_with("anyvisor.")) name.erase(0, 9);
    all += (all.empty() ? "" : ", ") + name.substr(0, name.find('/'));
  }
  return all;
}

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

Fields settings_of(const PluginInfo& info) {
  Fields fields;
  json::Document schema;
  if (info.settings_schema.empty() || schema.Parse(info.settings_schema.c_str()).HasParseError()) return fields;
  if (const json::Value* properties = json::object_or_null(schema, "properties"))
    for (const auto& property : properties->GetObject())
      fields.emplace_back(fields.empty() ? "Settings" : "",
                          std::string(property.name.GetString()) + ": " +
                              json::string_or(property.value, "description", "no description"));
  return fields;
}

std::string describe_plugin(const PluginInfo& info) {
  Fields fields{
      {"Id", info.id},           {"Summary", info.summary}, {"Version", info.version},
      {"License", info.license}, {"ABI", info.abi},         {"Provides", provides(info)},
      {"File", info.path},       {"Problem", info.error},   {"What to do", info.hint},
  };
  const Fields settings = settings_of(info);
  fields.insert(fields.end(), settings.begin(), settings.end());
  return render_fields(fields);
}

int run_list(Session& session, const Arguments& arguments) {
  const auto plugins = value_of(session.manager().plugins(arguments.has("fresh")));
  if (session.structured()) {
    session.answer(json_list("plugins", plugins));
    return 0;
  }
  if (plugins.empty()) {
    session.tell("No plugins were found.");
    return 0;
  }
  Table table({"ID", "VERSION", "PROVIDES", "SUMMARY"});
  for (const auto& info : plugins)
    if (info.error.empty()) table.add({info.id, info.version, provides(info), info.summary});
  session.print(table.render());
  for (const auto& info : plugins)
    if (!info.error.empty()) warn(file_name(info.path) + " is not used: " + info.error, false);
  return 0;
}

int run_info(Session& session, const Arguments& arguments) {
  const std::string& id = arguments.positional().front();
  const auto plugins = value_of(session.manager().plugins());
  for (const auto& info : plugins)
    if (info.id == id || info.path == id || file_name(info.path) == id) {
      session.structured() ? session.answer(json_text(info)) : session.print(describe_plugin(info));
      return 0;
    }
  Error error;
  error.kind = ErrorKind::not_found;
  error.message = "there is no plugin \"" + id + "\"";
  error.hint = "see 'anyvisor plugins list'";
  throw Failed(std::move(error));
}

int run_check(Session& session, const Arguments& arguments) {
  std::error_code ignored;
  const std::string file = std::filesystem::absolute(arguments.positional().front(), ignored).string();
  const PluginInfo info = value_of(session.manager().check_plugin(file));
  if (!info.error.empty()) {
    Error error;
    error.kind = info.error_kind;
    error.message = info.error;
    error.hint = info.hint;
    throw Failed(std::move(error));
  }
  session.structured() ? session.answer(json_text(info)) : session.print(describe_plugin(info));
  session.tell("It can be loaded.");
  return 0;
}

}  // namespace

extern const Command plugins_list_command, plugins_info_command, plugins_check_command;
constinit const Command plugins_list_command{
    "Plugins", "plugins list", "plugins ls", "", "Show all plugins", nullptr, 0, 0, list_options, run_list};
constinit const Command plugins_info_command{
    "Plugins", "plugins info", nullptr, "ID", "Show everything about a plugin", nullptr, 1, 1, {}, run_info};
constinit const Command plugins_check_command{
    "Plugins", "plugins check", nullptr, "FILE", "Try whether a file can be used as a plugin", nullptr, 1, 1,
    {},        run_check};

}  // namespace anyvisor::cli
