// SPDX-License-Identifier: MIT
// anyvisor get, set, rename: an instance's properties and the settings of the home folder.
#include <algorithm>
#include <anyvisor/json.hpp>
#include <array>
#include <charconv>
#include <limits>

#include "arguments.hpp"
#include "command.hpp"
#include "commands/instances.hpp"
#include "commands/properties.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

UsageError nothing_named(const char* command) {
  return {std::string(command) + " needs the name of an instance, or --global for the settings of the home folder",
          std::string("usage: anyvisor ") + command +
              (std::string_view(command) == "set" ? " NAME KEY=VALUE..." : " NAME [KEY...]")};
}

int get_of_instance(Session& session, const Arguments& arguments) {
  if (arguments.positional().empty()) throw nothing_named("get");
  std::vector<const Property*> chosen;
  for (std::size_t i = 1; i < arguments.positional().size(); ++i)
    chosen.push_back(&find_property(arguments.positional()[i]));
  const bool bare = !chosen.empty();
  if (!bare)
    for (const auto& property : instance_properties()) chosen.push_back(&property);
  const InstanceInfo info = value_of(session.manager().info(arguments.positional().front()));
  if (session.structured()) {
    json::Document document = json::make_object();
    json::Value list(rapidjson::kArrayType);
    for (const Property* property : chosen) {
      json::Value item(rapidjson::kObjectType);
      json::set(document, item, "key", property->key);
      json::set(document, item, "value", valid_utf8(property->value(info)));
      json::set(document, item, "summary", property->summary);
      list.PushBack(item, document.GetAllocator());
    }
    json::set_value(document, document, "properties", std::move(list));
    session.answer(json::render_pretty(document));
  } else if (bare) {
    // For scripts.
    for (const Property* property : chosen) session.print(one_line(property->value(info)) + "\n");
  } else {
    Table table({"PROPERTY", "VALUE", "WHAT IT IS"});
    for (const Property* property : chosen) table.add({property->key, property->value(info), property->summary});
    session.print(table.render());
  }
  return 0;
}

using Changes = std::vector<std::pair<std::string, std::string>>;

Changes read_changes(std::span<const std::string> words, const std::string& keys) {
  Changes changes;
  for (const auto& text : words) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError("\"" + text + "\" is not of the form KEY=VALUE", keys);
    const std::string key = text.substr(0, equals);
    if (std::ranges::find(changes, key, &Changes::value_type::first) != changes.end())
      throw UsageError("\"" + key + "\" is given twice", "give each KEY once");
    changes.emplace_back(key, text.substr(equals + 1));
  }
  return changes;
}

unsigned read_count(const std::string& key, const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0)
    throw UsageError(key + "=" + text + ": not a whole number from 1 up", "");
  return number;
}

std::uint64_t read_size(const std::string& key, const std::string& text) {
  std::uint64_t bytes = 0;
  if (!parse_size(text, bytes) || bytes == 0)
    throw UsageError(key + "=" + text + ": not a size", "use a number with K, M, G or T, for instance 512M or 2.5G");
  return bytes;
}

int set_of_instance(Session& session, const Arguments& arguments) {
  const auto& words = arguments.positional();
  if (words.size() < 2 || words.front().find('=') != std::string::npos) throw nothing_named("set");
  ChangeRequest request;
  const auto changes = read_changes(std::span(words).subspan(1), "the keys: " + keys_of_properties(true));
  for (const auto& [key, value] : changes) {
    if (!find_property(key).changeable)
      throw UsageError("\"" + key + "\" cannot be set", "what can: " + keys_of_properties(true));
    if (key == "cpus") request.cpus = read_count(key, value);
    if (key == "memory") request.memory = read_size(key, value);
    if (key == "disk") request.disk = read_size(key, value);
  }
  const std::string& name = words.front();
  const InstanceInfo info = value_of(session.perform(
      "changing " + name, [&](Operation& operation) { return session.manager().change(name, request, operation); }));
  for (const auto& [key, value] : changes)
    session.tell(key + " of " + info.name + " is " + find_property(key).value(info));
  if (session.structured()) session.answer(json_text(info));
  return 0;
}

int run_rename(Session& session, const Arguments& arguments) {
  const std::string &name = arguments.positional()[0], &wanted = arguments.positional()[1];
  const InstanceInfo info = value_of(session.perform(
      "renaming " + name, [&](Operation& operation) { return session.manager().rename(name, wanted, operation); }));
  session.tell(info.already ? info.name + " is called that already" : "Renamed " + name + " to " + info.name);
  if (session.structured()) session.answer(json_text(info));
  return 0;
}

int run_get(Session& session, const Arguments& arguments) {
  if (!arguments.has("global")) return get_of_instance(session, arguments);
  auto settings = value_of(session.manager().settings());
  if (!arguments.positional().empty()) {
    std::vector<SettingInfo> chosen;
    for (const auto& key : arguments.positional()) {
      const auto found = std::ranges::find(settings, key, &SettingInfo::key);
      if (found == settings.end())
        throw UsageError("there is no setting \"" + key + "\"", "see 'anyvisor get --global'");
      chosen.push_back(*found);
    }
    settings = std::move(chosen);
  }
  if (session.structured()) {
    json::Document document = json::make_object();
    json::Value list(rapidjson::kArrayType);
    for (const auto& setting : settings) {
      json::Value item(rapidjson::kObjectType);
      json::set(document, item, "key", setting.key);
      json::set(document, item, "value", setting.value);
      json::set(document, item, "default", setting.fallback);
      json::set(document, item, "summary", setting.summary);
      list.PushBack(item, document.GetAllocator());
    }
    json::set_value(document, document, "settings", std::move(list));
    session.answer(json::render_pretty(document));
  } else if (!arguments.positional().empty()) {
    // Bare, for scripts.
    for (const auto& setting : settings) session.print(setting.value + "\n");
  } else {
    Table table({"SETTING", "VALUE", "DEFAULT", "WHAT IT DOES"});
    for (const auto& setting : settings) table.add({setting.key, setting.value, setting.fallback, setting.summary});
    session.print(table.render());
  }
  return 0;
}

int run_set(Session& session, const Arguments& arguments) {
  if (!arguments.has("global")) return set_of_instance(session, arguments);
  const auto changes = read_changes(arguments.positional(), "see 'anyvisor get --global' for the keys");
  auto result = session.manager().change_settings(changes);
  if (!result) return report(result.error(), session.json());
  for (const auto& [key, value] : changes)
    session.tell(value.empty() ? key + " is back at its default" : key + " is " + value);
  return 0;
}

constexpr std::array global_option{
    Option{"global", 0, nullptr, "The settings of the whole home folder instead of an instance's properties"},
};

constexpr const char* get_details =
    "Without a KEY: all properties of the instance. With KEYs: their values alone, one a line, for scripts.\n"
    "With --global: settings. They stand in settings.json in the home folder, which may be edited as well.";
constexpr const char* set_details =
    "  anyvisor set web cpus=4 memory=8G disk=40G\n"
    "  anyvisor set --global clone.prepare_after_stop=true\n"
    "\n"
    "The machine must be stopped, and has it at its next start. A disk only grows; what the guest makes of it is the\n"
    "guest's (cloud images grow their root file system at the next boot). With --global, KEY= goes back to the "
    "default.";
constexpr const char* rename_details =
    "In any state. The hostname inside the guest is the guest's: it stays what it is.";

}  // namespace

extern const Command get_command, set_command, rename_command;
constinit const Command get_command{"Instances", "get", nullptr,    "NAME [KEY...]", "Show properties, or settings",
                                    get_details, 0,     any_number, global_option,   run_get};
constinit const Command set_command{
    "Instances", "set", nullptr,    "NAME KEY=VALUE...", "Change processors, memory, disk; or settings",
    set_details, 1,     any_number, global_option,       run_set};
constinit const Command rename_command{
    "Instances", "rename", nullptr, "NAME NEW-NAME", "Give an instance another name", rename_details,
    2,           2,        {},      run_rename};

}  // namespace anyvisor::cli
