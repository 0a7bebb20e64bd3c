// SPDX-License-Identifier: MIT
// The table of all commands, and finding one in it.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "command.hpp"

namespace anyvisor::cli {

extern const Command launch_command, clone_command, prepare_command, compact_command, list_command, info_command,
    start_command, stop_command, restart_command, pause_command, resume_command, standby_command, restore_command,
    delete_command, recover_command, purge_command, rename_command, resolve_command, wait_command, exec_command,
    shell_command, copy_command, logs_command, identity_list_command, image_import_command, image_list_command,
    image_info_command, image_remove_command, plugins_list_command, plugins_info_command, plugins_check_command,
    get_command, set_command, doctor_command, prune_command, completion_command, complete_command, manual_command,
    version_command;

namespace {

constexpr std::array table{
    &launch_command,         //
    &clone_command,          //
    &prepare_command,        //
    &compact_command,        //
    &list_command,           //
    &info_command,           //
    &start_command,          //
    &stop_command,           //
    &restart_command,        //
    &pause_command,          //
    &resume_command,         //
    &standby_command,        //
    &restore_command,        //
    &delete_command,         //
    &recover_command,        //
    &purge_command,          //
    &rename_command,         //
    &get_command,            //
    &set_command,            //
    &resolve_command,        //
    &wait_command,           //
    &exec_command,           //
    &shell_command,          //
    &copy_command,           //
    &logs_command,           //
    &identity_list_command,  //
    &image_import_command,   //
    &image_list_command,     //
    &image_info_command,     //
    &image_remove_command,   //
    &plugins_list_command,   //
    &plugins_info_command,   //
    &plugins_check_command,  //
    &doctor_command,         //
    &prune_command,          //
    &completion_command,     //
    &complete_command,       //
    &manual_command,         //
    &version_command,        //
};

constexpr std::array globals{
    Option{"home", 0, "DIR", "The folder that holds everything (default: $ANYVISOR_HOME, else the user's data folder)"},
    Option{"format", 0, "table|json|csv|yaml", "How to answer; see docs/json-output.md"},
    Option{"explain", 0, nullptr, "Afterwards, tell the phases of the operation and their times"},
    Option{"quiet", 'q', nullptr, "No progress and no words about success"},
    Option{"verbose", 'v', nullptr, "Tell each phase as it begins, and of a failure every cause"},
    Option{"help", 'h', nullptr, "Explain the command"},
};

// Edits that lead from one word to the other: insert, remove, replace, swap two neighbours.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::vector<std::size_t>> edits(from.size() + 1, std::vector<std::size_t>(to.size() + 1));
  for (std::size_t i = 0; i <= from.size(); ++i)
    for (std::size_t j = 0; j <= to.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      edits[i][j] =
          std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, edits[i - 1][j - 1] + (from[i - 1] != to[j - 1])});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
    }
  return edits[from.size()][to.size()];
}

}  // namespace

std::span<const Option> global_options() {
  return globals;
}
std::span<const Command* const> commands() {
  return table;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : table)
    if (command->name == name || (command->alias && command->alias == name)) return command;
  return nullptr;
}

bool is_group(std::string_view word) {
  return std::ranges::any_of(table, [&](const Command* command) {
    return std::string_view(command->name).starts_with(std::string(word) + " ");
  });
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;
  for (auto candidate : candidates)
    if (auto found = distance(word.substr(0, 64), candidate); found < best_distance)
      best = candidate, best_distance = found;
  return best;
}

std::string_view nearest_command(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command* command : table) {
    if (!*command->group) continue;
    names.emplace_back(command->name);
    if (command->alias) names.emplace_back(command->alias);
  }
  return nearest(word, names);
}

}  // namespace anyvisor::cli
