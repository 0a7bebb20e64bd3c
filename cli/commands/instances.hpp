// SPDX-License-Identifier: MIT
// What the commands about instances say alike.
#pragma once

#include <anyvisor/manager.hpp>
#include <functional>
#include <string>
#include <vector>

#include "session.hpp"

namespace anyvisor::cli {

// "Running", ..., or "Deleted".
std::string shown_state(const InstanceInfo& info);
// "127.0.0.1:8080 -> 80/tcp, ...", or empty.
std::string published_ports(const InstanceInfo& info);
// For programs: one name asked for gives an object, several give {"instances":[...]}. Nothing when all failed.
void print_instances_json(const Session& session, const std::vector<std::string>& asked,
                          const std::vector<InstanceInfo>& infos);
// The names given, or with --all those of the instances that `fits` answers for: those for which there is something
// to do. Throws UsageError where it is neither, or both.
std::vector<std::string> named_or_all(Session& session, const Arguments& arguments, const char* command,
                                      const std::function<bool(const InstanceInfo&)>& fits);

}  // namespace anyvisor::cli
