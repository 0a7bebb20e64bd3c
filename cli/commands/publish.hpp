// SPDX-License-Identifier: MIT
#pragma once

#include <anyvisor/manager.hpp>
#include <string>

namespace anyvisor::cli {

// "8080:80", "0.0.0.0:8080:80", "[::1]:8080:80", each with "/tcp" or "/udp" if wanted. Throws UsageError.
PublishedPort parse_publish(const std::string& text);
// "127.0.0.1:8080 -> 80/tcp"
std::string describe(const PublishedPort& port);

}  // namespace anyvisor::cli
