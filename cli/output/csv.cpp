// SPDX-License-Identifier: MIT
#include "output/formats.hpp"

namespace anyvisor::cli {

namespace {

std::string cell(const json::Value& value) {
  std::string text = value.IsString() ? std::string(value.GetString(), value.GetStringLength())
                     : value.IsNull() ? std::string()
                                      : json::render(value);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string names_line(const json::Value& object) {
  std::string line;
  for (const auto& member : object.GetObject()) line += (line.empty() ? "" : ",") + cell(member.name);
  return line + "\n";
}

std::string values_line(const json::Value& object) {
  std::string line;
  bool first = true;
  for (const auto& member : object.GetObject()) {
    line += (first ? "" : ",") + cell(member.value);
    first = false;
  }
  return line + "\n";
}

}  // namespace

std::string to_csv(const json::Value& document) {
  if (!document.IsObject() || document.ObjectEmpty()) return {};
  const auto& only = *document.MemberBegin();
  if (document.MemberCount() != 1 || !only.value.IsArray()) return names_line(document) + values_line(document);
  std::string text;
  for (const auto& item : only.value.GetArray()) {
    if (item.IsObject())
      text += (text.empty() ? names_line(item) : "") + values_line(item);
    else
      text += (text.empty() ? cell(only.name) + "\n" : "") + cell(item) + "\n";
  }
  return text;
}

}  // namespace anyvisor::cli
