// SPDX-License-Identifier: MIT
#include "arguments.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <cmath>

#include "errors.hpp"

namespace anyvisor::cli {

namespace po = boost::program_options;

namespace {

constexpr const char* rest = "arguments";  // the name under which Boost collects what is no option

std::vector<const Option*> options_of(const Command& command) {
  std::vector<const Option*> all;
  for (const auto& option : command.options) all.push_back(&option);
  for (const auto& option : global_options()) all.push_back(&option);
  return all;
}

std::string help_hint(const Command& command) {
  return "see 'anyvisor " + std::string(command.name) + " --help'";
}

UsageError unknown_option(const Command& command, std::string given) {
  given = given.substr(0, given.find('='));
  std::vector<std::string> spelled;
  for (const Option* option : options_of(command)) spelled.push_back("--" + std::string(option->name));
  const std::vector<std::string_view> candidates(spelled.begin(), spelled.end());
  const auto like = given.starts_with("--") ? nearest(given, candidates) : std::string_view();
  const std::string message = "'" + std::string(command.name) + "' has no option " + given;
  return like.empty() ? UsageError(message, help_hint(command))
                      : UsageError(message, "did you mean " + std::string(like) + "? Otherwise " + help_hint(command));
}

// The words with a "--" where the part begins that is taken as it is.
std::vector<std::string> set_verbatim_apart(const Command& command, std::vector<std::string> words) {
  const auto options = options_of(command);
  unsigned arguments = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return words;
    if (word.size() < 2 || word.front() != '-') {
      if (++arguments < command.verbatim_after) continue;
      if (i + 1 < words.size() && words[i + 1] != "--")
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, "--");
      return words;
    }
    const auto option = std::ranges::find_if(options, [&](const Option* o) {
      return word == "--" + std::string(o->name) || (o->letter && word == std::string("-") + o->letter);
    });
    if (option != options.end() && (*option)->value) ++i;
  }
  return words;
}

po::parsed_options parse(const Command& command, const std::vector<std::string>& words) {
  po::options_description description;
  for (const Option* option : options_of(command)) {
    const std::string name = option->letter ? std::string(option->name) + "," + option->letter : option->name;
    if (option->value)
      description.add_options()(name.c_str(), po::value<std::vector<std::string>>(), "");
    else
      description.add_options()(name.c_str(), "");
  }
  description.add_options()(rest, po::value<std::vector<std::string>>(), "");
  po::positional_options_description positional;
  positional.add(rest, -1);
  using namespace po::command_line_style;
  const int style = unix_style & ~allow_guessing;
  try {
    return po::command_line_parser(words).options(description).positional(positional).style(style).run();
  } catch (const po::unknown_option& error) {
    throw unknown_option(command, error.get_option_name());
  } catch (const po::invalid_command_line_syntax& error) {
    const std::string name = error.get_option_name();
    if (error.kind() == po::invalid_syntax::extra_parameter ||
        error.kind() == po::invalid_syntax::long_adjacent_not_allowed)
      throw UsageError(name + " takes no value", help_hint(command));
    throw UsageError(name + " needs a value", help_hint(command));
  } catch (const po::error& error) {
    throw UsageError(error.what(), help_hint(command));
  }
}

}  // namespace

Arguments::Arguments(const Command& command, const std::vector<std::string>& words) {
  const auto all = options_of(command);
  const auto apart = command.verbatim_after == 0 ? words : set_verbatim_apart(command, words);
  for (const auto& parsed : parse(command, apart).options) {
    if (parsed.string_key == rest) {
      positional_.insert(positional_.end(), parsed.value.begin(), parsed.value.end());
      continue;
    }
    auto& values = options_[parsed.string_key];
    const auto option = std::ranges::find_if(all, [&](const Option* o) { return o->name == parsed.string_key; });
    if (!values.empty() && option != all.end() && !(*option)->repeatable)
      throw UsageError("--" + parsed.string_key + " is given twice", help_hint(command));
    values.insert(values.end(), parsed.value.begin(), parsed.value.end());
  }
  if (has("help")) return;
  const std::string usage = "usage: anyvisor " + std::string(command.name) + " " + command.arguments;
  if (positional_.size() < command.min_arguments)
    throw UsageError("'" + std::string(command.name) + "' needs " + command.arguments, usage);
  if (positional_.size() > command.max_arguments)
    throw UsageError("'" + std::string(command.name) + "' does not know what to do with \"" +
                         positional_[command.max_arguments] + "\"",
                     usage);
  const std::size_t names = command.verbatim_after == 0 ? positional_.size() : command.verbatim_after;
  for (std::size_t i = 0; i < std::min(names, positional_.size()); ++i)
    if (positional_[i].empty()) throw UsageError("an empty name is given", usage);
}

std::string Arguments::value(std::string_view option, std::string fallback) const {
  const auto found = options_.find(option);
  return found == options_.end() || found->second.empty() ? fallback : found->second.back();
}

const std::vector<std::string>& Arguments::values(std::string_view option) const {
  static const std::vector<std::string> none;
  const auto found = options_.find(option);
  return found == options_.end() ? none : found->second;
}

std::uint64_t Arguments::size(std::string_view option, std::uint64_t fallback) const {
  if (!has(option)) return fallback;
  const std::string text = value(option);
  std::uint64_t bytes = 0;
  if (!parse_size(text, bytes))
    throw UsageError("--" + std::string(option) + " " + text + ": not a size",
                     "use a number with K, M, G or T, for instance 512M or 2.5G");
  return bytes;
}

unsigned Arguments::number(std::string_view option, unsigned fallback, unsigned least) const {
  if (!has(option)) return fallback;
  const std::string text = value(option);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least)
    throw UsageError(
        "--" + std::string(option) + " " + text + ": not a whole number from " + std::to_string(least) + " up", "");
  return number;
}

std::string Arguments::choice(std::string_view option, std::vector<std::string_view> choices,
                              std::string fallback) const {
  if (!has(option)) return fallback;
  const std::string text = value(option);
  if (std::ranges::find(choices, text) != choices.end()) return text;
  std::string list;
  for (std::size_t i = 0; i < choices.size(); ++i)
    list += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + std::string(choices[i]);
  throw UsageError("--" + std::string(option) + " " + text + ": not known", "use " + list);
}

bool parse_size(std::string_view text, std::uint64_t& bytes) {
  const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, digits);
  std::string unit(text.substr(digits));
  std::ranges::transform(unit, unit.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (unit.size() > 1 && unit.ends_with("IB")) unit.resize(unit.size() - 2);
  if (unit.size() == 2 && unit.ends_with("B")) unit.resize(1);
  constexpr std::string_view letters = "BKMGTP";
  if (unit.empty()) unit = "B";
  const auto power = letters.find(unit[0]);
  if (unit.size() != 1 || power == std::string_view::npos) return false;
  const unsigned shift = static_cast<unsigned>(power) * 10;
  if (number.find('.') == std::string_view::npos) {
    std::uint64_t whole = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), whole);
    if (error != std::errc() || end != number.data() + number.size() || whole > (UINT64_MAX >> shift)) return false;
    bytes = whole << shift;
    return true;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || power == 0) return false;
  const double exact = std::ldexp(value, static_cast<int>(shift));
  if (exact >= 0x1p63) return false;
  bytes = static_cast<std::uint64_t>(exact);
  if (bytes > (1ULL << 20)) bytes &= ~((1ULL << 20) - 1);
  return true;
}

}  // namespace anyvisor::cli
