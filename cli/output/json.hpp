// SPDX-License-Identifier: MIT
// The JSON that the CLI prints: docs/json-output.md. Names and meanings are stable; new members may appear.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/manager.hpp>
#include <vector>

namespace anyvisor::cli {

json::Value to_json(json::Document& document, const InstanceInfo& info);
json::Value to_json(json::Document& document, const ImageInfo& info);
json::Value to_json(json::Document& document, const PluginInfo& info);
json::Value to_json(json::Document& document, const Finding& finding);
json::Value to_json(json::Document& document, const Leftover& leftover);
json::Value to_json(json::Document& document, const std::vector<Phase>& phases);

// One thing as an object of its own, indented, with a newline.
template <class Thing>
std::string json_text(const Thing& thing) {
  json::Document document;
  const json::Value value = to_json(document, thing);
  return json::render_pretty(value);
}

// {"<name>": [...]}
template <class Thing>
std::string json_list(const char* name, const std::vector<Thing>& things) {
  json::Document document = json::make_object();
  json::Value array(rapidjson::kArrayType);
  for (const auto& thing : things) array.PushBack(to_json(document, thing), document.GetAllocator());
  json::set_value(document, document, name, std::move(array));
  return json::render_pretty(document);
}

}  // namespace anyvisor::cli
