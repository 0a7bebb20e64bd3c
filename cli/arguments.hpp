// SPDX-License-Identifier: MIT
// A command line, taken apart by Boost.Program_options after the tables of command.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace anyvisor::cli {

class Arguments {
 public:
  // `words`: what stands after the program's name, without the words of the command. Throws UsageError.
  Arguments(const Command& command, const std::vector<std::string>& words);

  bool has(std::string_view option) const { return options_.contains(option); }
  std::string value(std::string_view option, std::string fallback = {}) const;
  const std::vector<std::string>& values(std::string_view option) const;
  const std::vector<std::string>& positional() const { return positional_; }

  // Values that must be read; each throws UsageError naming the option.
  std::uint64_t size(std::string_view option, std::uint64_t fallback) const;  // bytes
  unsigned number(std::string_view option, unsigned fallback, unsigned least) const;
  std::string choice(std::string_view option, std::vector<std::string_view> choices, std::string fallback) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> positional_;
};

// "512M", "2.5G", "1GiB", "1073741824": bytes, units of 1024. Fractions are rounded down to whole MiB. False: not a
// size.
bool parse_size(std::string_view text, std::uint64_t& bytes);

}  // namespace anyvisor::cli
