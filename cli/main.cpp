// SPDX-License-Identifier: MIT
// Finds the command among the words, lets it run, and turns what went wrong into a message and an exit code.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "command.hpp"
#include "errors.hpp"
#include "help.hpp"
#include "session.hpp"

namespace anyvisor::cli {
namespace {

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

// Where the command's first word stands: the first word that is neither a global option nor the value of one.
std::size_t command_position(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with("-")) return i;
    const auto option = std::ranges::find_if(global_options(), [&](const Option& o) {
      return words[i].substr(0, words[i].find('=')) == "--" + std::string(o.name) ||
             (o.letter && words[i] == std::string("-") + o.letter);
    });
    if (option == global_options().end())
      throw UsageError("there is no option " + words[i] + " before a command", "see 'anyvisor --help'");
    if (option->value && words[i].find('=') == std::string::npos) ++i;
  }
  return words.size();
}

bool wants_help(const std::vector<std::string>& words) {
  return std::ranges::any_of(words, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

UsageError unknown_command(const std::string& name) {
  const auto like = nearest_command(name);
  const std::string message = "there is no command \"" + name + "\"";
  return like.empty() ? UsageError(message, "see 'anyvisor --help'")
                      : UsageError(message, "did you mean 'anyvisor " + std::string(like) + "'?");
}

// Takes the words of the command out of `words`. nullptr: help was printed instead.
const Command* take_command(std::vector<std::string>& words, std::size_t position) {
  const std::string first = words[position];
  const auto at = [&](std::size_t i) { return words.begin() + static_cast<std::ptrdiff_t>(i); };
  if (const Command* command = find_command(first)) {
    words.erase(at(position));
    return command;
  }
  if (!is_group(first)) throw unknown_command(first);
  const bool has_second = position + 1 < words.size() && !words[position + 1].starts_with("-");
  if (!has_second && wants_help(words)) {
    print(group_help(first));
    return nullptr;
  }
  // "anyvisor image" and "anyvisor plugins" alone list them.
  const std::string name = first + " " + (has_second ? words[position + 1] : "list");
  const Command* command = find_command(name);
  if (!command) throw unknown_command(name);
  words.erase(at(position), at(position + (has_second ? 2 : 1)));
  return command;
}

// How failures are reported, as far as it is known when one happens.
struct Reporting {
  bool json = false;
  int failure_code = 0;  // instead of the kind's; 0: the kind's
  bool verbose = false;
};

int run(std::vector<std::string> words, Reporting& reporting) {
  if (words.empty()) {
    std::fputs(overview(false).c_str(), stderr);
    return exit_usage;
  }
  if (words[0] == "--version") words[0] = "version";
  std::size_t position = command_position(words);
  if (position < words.size() && words[position] == "help") {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(position));
    words.emplace_back("--help");
    position = command_position(words);
  }
  if (position == words.size()) {
    if (!wants_help(words)) throw UsageError("no command is given", "see 'anyvisor --help'");
    print(overview(true));
    return 0;
  }
  const Command* command = take_command(words, position);
  if (!command) return 0;
  reporting.failure_code = command->failure_code;
  const Arguments arguments(*command, words);
  reporting.verbose = arguments.has("verbose");
  if (command->verbatim_after != 0) reporting.json = arguments.value("format") == "json";
  if (arguments.has("help")) {
    print(command_help(*command));
    return 0;
  }
  Session session(arguments);
  return command->run(session, arguments);
}

// Errors must be JSON even where the command line could not be parsed.
bool asks_for_json(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == "--format=json" || (words[i] == "--format" && i + 1 < words.size() && words[i + 1] == "json"))
      return true;
  return false;
}

int guarded(const std::vector<std::string>& words) {
  Reporting reporting{asks_for_json(words)};
  try {
    return run(words, reporting);
  } catch (const UsageError& error) {
    return report(error, reporting.json, reporting.failure_code);
  } catch (const Failed& failed) {
    return report(failed.error, reporting.json, reporting.failure_code, reporting.verbose);
  } catch (const std::exception& exception) {
    Error error;
    error.message = exception.what();
    return report(error, reporting.json, reporting.failure_code);
  }
}

}  // namespace
}  // namespace anyvisor::cli

int main(int argc, char** argv) {
  using namespace anyvisor::cli;
  int code = guarded({argv + 1, argv + argc});
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    std::fprintf(stderr, "error: cannot write the output: %s\n", std::strerror(errno));
    if (code == 0) code = 2;
  }
  return code;
}
