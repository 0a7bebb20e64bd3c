// SPDX-License-Identifier: MIT
// What `get NAME` and `set NAME` know of an instance.
#pragma once

#include <anyvisor/manager.hpp>
#include <span>
#include <string>

namespace anyvisor::cli {

struct Property {
  const char* key;
  bool changeable;
  const char* summary;
  std::string (*value)(const InstanceInfo& info);  // sizes as `set` takes them
};

// All, in the order in which they are shown.
std::span<const Property> instance_properties();
// Throws UsageError.
const Property& find_property(std::string_view key);
// "cpus, memory, ...", for messages.
std::string keys_of_properties(bool changeable_only);

}  // namespace anyvisor::cli
