// SPDX-License-Identifier: MIT
// What a person can set for a whole home folder: settings.json, one member a setting, which may be edited by hand.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "anyvisor/result.hpp"

namespace anyvisor {

enum class SettingType {
  flag,   // true or false
  choice  // one of its words
};

struct SettingDefinition {
  std::string_view key;  // "clone.prepare_after_stop"
  SettingType type;
  std::string_view fallback;  // its value where none is set
  std::string_view summary;   // one line, no full stop
  std::span<const std::string_view> choices = {};
};
// All that there are, in the order in which they are shown.
std::span<const SettingDefinition> setting_definitions();

class Settings {
 public:
  // Of the home folder `home`. No file: all as they are by default. Errors: invalid_argument (an unknown key, a value
  // of another type, no JSON: the message names file and key), unsupported (written by a newer version), as fail_errno.
  static Result<Settings> read(const std::string& home);
  Result<void> write(const std::string& home) const;

  // `key` must be one of setting_definitions().
  std::string value(std::string_view key) const;
  bool flag(std::string_view key) const { return value(key) == "true"; }
  bool is_set(std::string_view key) const { return values_.contains(key); }
  // Empty `text`: back to the default. Errors: invalid_argument (unknown key, or no value of its type).
  Result<void> set(std::string_view key, std::string_view text);

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace anyvisor
