// SPDX-License-Identifier: MIT
// What a command is: data for parsing and help (and for completion and man pages), and the function that does it.
#pragma once

#include <span>
#include <string_view>

namespace anyvisor::cli {

class Arguments;
class Session;

struct Option {
  const char* name;     // without its dashes
  char letter;          // its short form, or 0
  const char* value;    // what stands for the value in help ("SIZE"); nullptr: a flag
  const char* summary;  // one line, no full stop
  bool repeatable = false;
};

struct Command {
  const char* group;      // heading in the overview; "": not shown, other programs call it
  const char* name;       // one word, or two: "image import"
  const char* alias;      // another name for it, or nullptr
  const char* arguments;  // as in the synopsis: "NAME..."
  const char* summary;    // one line, no full stop
  const char* details;    // examples and what else is worth knowing, or nullptr
  unsigned min_arguments;
  unsigned max_arguments;
  std::span<const Option> options;
  // Returns the exit code. May throw UsageError and Failed (errors.hpp).
  int (*run)(Session& session, const Arguments& arguments);
  // Commands that pass on the exit code of another program: the code of all their own failures. 0: by kind.
  int failure_code = 0;
  // Everything after so many arguments is taken as it is, options too, with or without "--". 0: nothing is.
  unsigned verbatim_after = 0;
};

// Understood by every command, before and after its name.
std::span<const Option> global_options();
// All, in the order of the overview.
std::span<const Command* const> commands();
// By name or alias; nullptr: none.
const Command* find_command(std::string_view name);
// Is there a command "<word> something"?
bool is_group(std::string_view word);
// The candidate that is most like `word`, or empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
std::string_view nearest_command(std::string_view word);

}  // namespace anyvisor::cli
