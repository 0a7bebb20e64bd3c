// SPDX-License-Identifier: MIT
// anyvisor get, set.
#include <algorithm>
#include <anyvisor/json.hpp>
#include <array>
#include <limits>

#include "arguments.hpp"
#include "command.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

void require_global(const Arguments& arguments, const char* command) {
  if (!arguments.has("global"))
    throw UsageError(std::string(command) + " works on the settings of the whole home folder only, so far",
                     std::string("say so: anyvisor ") + command + " --global");
}

int run_get(Session& session, const Arguments& arguments) {
  require_global(arguments, "get");
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
  if (session.json()) {
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
    session.print(json::render_pretty(document));
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
  require_global(arguments, "set");
  std::vector<std::pair<std::string, std::string>> changes;
  for (const auto& text : arguments.positional()) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError("\"" + text + "\" is not of the form KEY=VALUE", "see 'anyvisor get --global' for the keys");
    changes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  auto result = session.manager().change_settings(changes);
  if (!result) return report(result.error(), session.json());
  for (const auto& [key, value] : changes)
    session.tell(value.empty() ? key + " is back at its default" : key + " is " + value);
  return 0;
}

constexpr std::array global_option{
    Option{"global", 0, nullptr, "Of the whole home folder"},
};

constexpr const char* get_details =
    "Without a KEY: all settings. They stand in settings.json in the home folder, which may be edited as well.";
constexpr const char* set_details =
    "KEY= goes back to the default. Example: anyvisor set --global clone.prepare_after_stop=true";

}  // namespace

extern const Command get_command, set_command;
constinit const Command get_command{"This machine", "get", nullptr,    "[KEY...]",    "Show settings",
                                    get_details,    0,     any_number, global_option, run_get};
constinit const Command set_command{"This machine", "set", nullptr,    "KEY=VALUE...", "Change settings",
                                    set_details,    1,     any_number, global_option,  run_set};

}  // namespace anyvisor::cli
