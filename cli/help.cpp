// SPDX-License-Identifier: MIT
#include "help.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

#include "errors.hpp"

namespace anyvisor::cli {

namespace {

constexpr std::size_t line_width = 100;

// "name" padded, then `text` wrapped to the right of it.
std::string entry(const std::string& name, std::size_t width, const std::string& text) {
  std::string out = "  " + name + std::string(width - std::min(width, name.size()) + 2, ' ');
  std::size_t column = out.size();
  const std::string indent(width + 4, ' ');
  std::istringstream words(text);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && column + 1 + word.size() > line_width) {
      out += "\n" + indent;
      column = indent.size();
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out + "\n";
}

std::string spelled(const Option& option) {
  std::string text = option.letter ? std::string("-") + option.letter + ", --" : "    --";
  text += option.name;
  if (option.value) text += std::string(" ") + option.value;
  return text;
}

std::string option_list(std::span<const Option> options) {
  std::size_t width = 0;
  for (const auto& option : options) width = std::max(width, spelled(option).size());
  std::string text;
  for (const auto& option : options)
    text +=
        entry(spelled(option), width, std::string(option.summary) + (option.repeatable ? " (may be repeated)" : ""));
  return text;
}

std::string command_list(const std::vector<const Command*>& list) {
  std::size_t width = 0;
  for (const Command* command : list) width = std::max(width, std::string_view(command->name).size());
  std::string text;
  for (const Command* command : list) {
    std::string summary = command->summary;
    if (command->alias) summary += std::string(" (also: ") + command->alias + ")";
    text += entry(command->name, width, summary);
  }
  return text;
}

}  // namespace

std::string overview(bool complete) {
  std::string text = "anyvisor: one interface over many hypervisors\n\nUsage: anyvisor COMMAND [OPTION]...\n";
  std::vector<std::string_view> groups;
  for (const Command* command : commands())
    if (*command->group && std::ranges::find(groups, command->group) == groups.end())
      groups.emplace_back(command->group);
  for (const auto group : groups) {
    std::vector<const Command*> list;
    for (const Command* command : commands())
      if (command->group == group) list.push_back(command);
    text += "\n" + std::string(group) + "\n" + command_list(list);
  }
  if (!complete) return text + "\nMore about a command: anyvisor COMMAND --help\n";
  text += "\nOptions of every command\n" + option_list(global_options());
  text += "\nExit codes\n" + exit_code_overview();
  return text + "\nMore about a command: anyvisor COMMAND --help\n";
}

std::string group_help(std::string_view group) {
  std::vector<const Command*> list;
  for (const Command* command : commands())
    if (std::string_view(command->name).starts_with(std::string(group) + " ")) list.push_back(command);
  return "Usage: anyvisor " + std::string(group) + " COMMAND [OPTION]...\n\n" + command_list(list) +
         "\nMore about a command: anyvisor " + std::string(group) + " COMMAND --help\n";
}

std::string command_help(const Command& command) {
  std::string text = std::string(command.summary) + ".\n\nUsage: anyvisor " + command.name;
  const std::string arguments = *command.arguments ? std::string(" ") + command.arguments : "";
  // What comes after arguments that are passed on is no option of ours.
  text += command.verbatim_after != 0 ? " [OPTION]..." + arguments : arguments + " [OPTION]...";
  text += "\n";
  if (command.alias) text += std::string("Also: anyvisor ") + command.alias + "\n";
  if (command.details) text += std::string("\n") + command.details + "\n";
  if (!command.options.empty()) text += "\nOptions\n" + option_list(command.options);
  return text + "\nOptions of every command\n" + option_list(global_options());
}

}  // namespace anyvisor::cli
