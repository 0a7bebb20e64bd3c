// SPDX-License-Identifier: MIT
// intent.json: written before a multi-step change of a published instance, removed after its last step. Whoever gets
// the instance's lock and finds one finishes or undoes the change (recover.cpp).
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "anyvisor/result.hpp"

namespace anyvisor {

struct Intent {
  // "launch", "start", "stop", "delete", "purge", "set", "standby", "restore"
  std::string operation;
  bool force = false;  // stop, delete and purge: the guest was not to be asked
  std::string since;
  std::string save;         // standby and restore: which saved state
  bool was_running = true;  // standby: the guest goes on when it is undone

  Intent() = default;
  Intent(std::string the_operation, bool is_forced, std::string when, std::string which = {}, bool ran = true)
      : operation(std::move(the_operation)),
        force(is_forced),
        since(std::move(when)),
        save(std::move(which)),
        was_running(ran) {}
};

inline constexpr int intent_schema = 1;

std::string render(const Intent& intent);
// std::nullopt when there is none. Errors: corrupted; unsupported for a newer schema (then it is left alone).
Result<std::optional<Intent>> read_intent(const std::string& folder);
Result<void> write_intent(const std::string& folder, const Intent& intent);
Result<void> clear_intent(const std::string& folder);

}  // namespace anyvisor
