// SPDX-License-Identifier: MIT
#include "settings/settings.hpp"

#include <algorithm>
#include <array>

#include "document/json.hpp"
#include "storage/atomic_file.hpp"
#include "storage/fd.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {
namespace {

constexpr int schema = 1;
constexpr std::string_view file_name = "settings.json";

constexpr std::array<std::string_view, 2> backings{"memfd", "file"};

constexpr std::array definitions{
    SettingDefinition{"clone.prepare_after_stop", SettingType::flag, "false",
                      "After each 'anyvisor stop', do in the background what makes the next clone quick"},
    SettingDefinition{"memory.backing", SettingType::choice, "memfd",
                      "Guest memory of the next starts: memfd, or a file in the instance's folder", backings},
};

const SettingDefinition* find(std::string_view key) {
  const auto found = std::ranges::find(definitions, key, &SettingDefinition::key);
  return found == definitions.end() ? nullptr : &*found;
}

std::string all_keys() {
  std::string keys;
  for (const auto& definition : definitions) keys += (keys.empty() ? "" : ", ") + std::string(definition.key);
  return keys;
}

// The text as it is kept; empty: it is none of this type.
std::string read_value(const SettingDefinition& definition, std::string_view text) {
  if (definition.type == SettingType::choice)
    return std::ranges::find(definition.choices, text) == definition.choices.end() ? "" : std::string(text);
  for (const char* yes : {"true", "on", "yes", "1"})
    if (text == yes) return "true";
  for (const char* no : {"false", "off", "no", "0"})
    if (text == no) return "false";
  return {};
}

std::string what_it_takes(const SettingDefinition& definition) {
  if (definition.type == SettingType::flag) return "true or false";
  std::string words;
  for (const auto& choice : definition.choices) words += (words.empty() ? "" : " or ") + std::string(choice);
  return words;
}

// As a person writes it into the file: a flag without quotes; empty: it is none of this type.
std::string value_in_file(const SettingDefinition& definition, const json::Value& value) {
  if (definition.type == SettingType::flag) return !value.IsBool() ? "" : value.GetBool() ? "true" : "false";
  return value.IsString() ? read_value(definition, {value.GetString(), value.GetStringLength()}) : "";
}

}  // namespace

std::span<const SettingDefinition> setting_definitions() {
  return definitions;
}

Result<Settings> Settings::read(const std::string& home) {
  const std::string path = home + "/" + std::string(file_name);
  auto text = read_file(path);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return Settings();
    return tl::unexpected(std::move(text).error());
  }
  auto document = parse_stored(*text, path, schema);
  if (!document) {
    if (document.error().kind == ErrorKind::corrupted) document.error().kind = ErrorKind::invalid_argument;
    return tl::unexpected(std::move(document).error());
  }
  Settings settings;
  for (const auto& member : document->GetObject()) {
    const std::string key = json::valid_utf8(std::string(member.name.GetString(), member.name.GetStringLength()));
    if (key == "schema") continue;
    const auto* definition = find(key);
    if (!definition)
      return fail(ErrorKind::invalid_argument, "\"" + path + "\" has the unknown setting \"" + key + "\"",
                  "remove it; there are: " + all_keys(), "/" + key);
    const std::string value = value_in_file(*definition, member.value);
    if (value.empty())
      return fail(ErrorKind::invalid_argument,
                  "in \"" + path + "\", the value of \"" + key + "\" is not " + what_it_takes(*definition),
                  "mend that line, or remove it", "/" + key);
    settings.values_[key] = value;
  }
  return settings;
}

Result<void> Settings::write(const std::string& home) const {
  auto document = json::make_object();
  json::set(document, document, "schema", schema);
  for (const auto& [key, value] : values_)
    if (find(key)->type == SettingType::flag)
      json::set(document, document, key.c_str(), value == "true");
    else
      json::set(document, document, key.c_str(), value);
  return write_file_atomically(home, std::string(file_name), json::render_pretty(document), "settings.write");
}

std::string Settings::value(std::string_view key) const {
  if (const auto found = values_.find(key); found != values_.end()) return found->second;
  const auto* definition = find(key);
  return definition ? std::string(definition->fallback) : std::string();
}

Result<void> Settings::set(std::string_view key, std::string_view text) {
  const auto* definition = find(key);
  if (!definition)
    return fail(ErrorKind::invalid_argument, "there is no setting \"" + std::string(key) + "\"",
                "there are: " + all_keys(), "/" + std::string(key));
  if (text.empty()) {
    values_.erase(std::string(key));
    return {};
  }
  const std::string value = read_value(*definition, text);
  if (value.empty())
    return fail(ErrorKind::invalid_argument,
                "\"" + std::string(text) + "\" is no value for \"" + std::string(key) + "\"",
                "give " + what_it_takes(*definition), "/" + std::string(key));
  values_[std::string(key)] = value;
  return {};
}

}  // namespace anyvisor
