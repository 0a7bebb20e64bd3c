// SPDX-License-Identifier: MIT
#include "commands/properties.hpp"

#include <algorithm>
#include <array>

#include "commands/instances.hpp"

namespace anyvisor::cli {

namespace {

// The shortest way to write it exactly: "2G", "1536M".
std::string exact_size(std::uint64_t bytes) {
  constexpr std::string_view units = "KMGTP";
  std::string unit;
  for (std::size_t i = 0; i < units.size() && bytes != 0 && bytes % 1024 == 0; ++i) {
    bytes /= 1024;
    unit = units[i];
  }
  return std::to_string(bytes) + unit;
}

constexpr std::array properties{
    Property{"cpus", true, "Virtual CPUs", [](const InstanceInfo& info) { return std::to_string(info.cpus); }},
    Property{"memory", true, "Memory", [](const InstanceInfo& info) { return exact_size(info.memory); }},
    Property{"disk", true, "Size of the disk; grows only",
             [](const InstanceInfo& info) { return exact_size(info.disk); }},
    Property{"name", false, "Its name; see 'anyvisor rename'", [](const InstanceInfo& info) { return info.name; }},
    Property{"id", false, "Its id, which never changes", [](const InstanceInfo& info) { return info.id; }},
    Property{"state", false, "Its state now", [](const InstanceInfo& info) { return shown_state(info); }},
    Property{"image", false, "What it was made from", [](const InstanceInfo& info) { return info.image; }},
    Property{"backend", false, "The plugin that runs it", [](const InstanceInfo& info) { return info.backend; }},
    Property{"user", false, "Who logs in over ssh", [](const InstanceInfo& info) { return info.user; }},
};

}  // namespace

std::span<const Property> instance_properties() {
  return properties;
}

std::string keys_of_properties(bool changeable_only) {
  std::string keys;
  for (const auto& property : properties)
    if (property.changeable || !changeable_only) keys += (keys.empty() ? "" : ", ") + std::string(property.key);
  return keys;
}

const Property& find_property(std::string_view key) {
  const auto found =
      std::ranges::find(properties, key, [](const Property& each) { return std::string_view(each.key); });
  if (found == properties.end())
    throw UsageError("an instance has no property \"" + std::string(key) + "\"",
                     "it has: " + keys_of_properties(false));
  return *found;
}

}  // namespace anyvisor::cli
