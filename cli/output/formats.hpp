// SPDX-License-Identifier: MIT
// The JSON documents of docs/json-output.md in other formats.
#pragma once

#include <anyvisor/json.hpp>
#include <string>

namespace anyvisor::cli {

// The same members, in their order. Strings that could be read as anything else are quoted. [any thread]
std::string to_yaml(const json::Value& document);

// Lines of RFC 4180, but with line feeds alone, under a line of names. A document with one list in it gives a line for
// each item, any other one line. What is no scalar is JSON in its cell. An empty list gives nothing. [any thread]
std::string to_csv(const json::Value& document);

}  // namespace anyvisor::cli
