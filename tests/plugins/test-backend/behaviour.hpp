// SPDX-License-Identifier: MIT
// What the test backend does wrong, and in which of its operations, as its settings have it.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace test_backend {

// The settings' JSON Schema: each "<what>_in" names one operation.
extern const char* const settings_schema;

class Behaviour {
 public:
  // `settings`: the plugin's settings; members of the JSON object in $ANYVISOR_TEST_BACKEND, where there is one, win
  // over them: that way a test reaches through the command line. Throws Failure(ANYVISOR_INVALID_ARGUMENT).
  explicit Behaviour(std::string_view settings);

  // Called first in each operation: may never return, may end the process, may throw; a text is the reply instead of
  // the true one.
  std::optional<std::string> misbehave(const anyvisor::sdk::Context& context, std::string_view operation) const;

  // How the machine takes a request to power off: "ends" (its VMM ends), "stays" (guest off, VMM there), "ignored".
  std::string on_shutdown() const { return anyvisor::json::string_or(settings_, "on_shutdown", "ends"); }

 private:
  bool asked(const char* what, std::string_view operation) const {
    return anyvisor::json::string_or(settings_, what) == operation;
  }
  anyvisor::json::Document settings_;
};

}  // namespace test_backend
