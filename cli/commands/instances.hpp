// SPDX-License-Identifier: MIT
// What the commands about instances say alike.
#pragma once

#include <anyvisor/manager.hpp>
#include <string>
#include <vector>

#include "session.hpp"

namespace anyvisor::cli {

// "127.0.0.1:8080 -> 80/tcp, ...", or empty.
std::string published_ports(const InstanceInfo& info);
// With --format json: one name asked for gives an object, several give {"instances":[...]}. Nothing when all failed.
void print_instances_json(const Session& session, const std::vector<std::string>& asked,
                          const std::vector<InstanceInfo>& infos);

}  // namespace anyvisor::cli
