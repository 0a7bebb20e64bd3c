// SPDX-License-Identifier: MIT
#include "manual.hpp"

#include <algorithm>
#include <anyvisor/manager.hpp>
#include <sstream>

#include "command.hpp"
#include "errors.hpp"

namespace anyvisor::cli {

namespace {

// Text as roff takes it for text.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string page_name(std::string_view command) {
  std::string name = "anyvisor-" + std::string(command);
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string heading(const std::string& name, const std::string& summary) {
  std::string title = name;
  std::ranges::transform(title, title.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return ".TH " + roff(title) + " 1 \"\" \"anyvisor " + std::string(version()) + "\" \"anyvisor\"\n.SH NAME\n" +
         roff(name) + " \\- " + roff(summary) + "\n";
}

std::string options(std::span<const Option> list) {
  std::string text;
  for (const auto& option : list) {
    text += ".TP\n";
    if (option.letter) text += "\\fB\\-" + std::string(1, option.letter) + "\\fR, ";
    text += "\\fB\\-\\-" + roff(option.name) + "\\fR";
    if (option.value) text += " \\fI" + roff(option.value) + "\\fR";
    text += "\n" + roff(option.summary) + (option.repeatable ? " (may be repeated)" : "") + ".\n";
  }
  return text;
}

// Lines that are set in stand as they are; the others flow.
std::string details(const char* text) {
  std::istringstream lines(text);
  std::string out;
  bool verbatim = false;
  for (std::string line; std::getline(lines, line);) {
    const bool set_in = line.starts_with("  ");
    if (set_in != verbatim) out += set_in ? ".PP\n.nf\n" : ".fi\n";
    verbatim = set_in;
    out += line.empty() ? ".PP\n" : roff(line) + "\n";
  }
  return verbatim ? out + ".fi\n" : out;
}

std::string command_page(const Command& command) {
  std::string text = heading(page_name(command.name), command.summary);
  text += ".SH SYNOPSIS\n\\fBanyvisor " + roff(command.name) + "\\fR";
  if (*command.arguments) text += " " + roff(command.arguments);
  text += " [\\fIOPTION\\fR]...\n";
  if (command.alias) text += ".br\n\\fBanyvisor " + roff(command.alias) + "\\fR is the same.\n";
  text += ".SH DESCRIPTION\n" + roff(command.summary) + ".\n";
  if (command.details) text += ".PP\n" + details(command.details);
  if (!command.options.empty()) text += ".SH OPTIONS\n" + options(command.options);
  text += ".SH \"OPTIONS OF EVERY COMMAND\"\n" + options(global_options());
  return text + ".SH \"EXIT STATUS\"\n" + roff(exit_code_overview()) + ".\n.SH \"SEE ALSO\"\n\\fBanyvisor\\fR(1)\n";
}

std::string overview_page() {
  std::string text = heading("anyvisor", "one interface over many hypervisors");
  text += ".SH SYNOPSIS\n\\fBanyvisor\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.SH DESCRIPTION\n";
  text += "Each command has a page of its own: \\fBanyvisor\\-launch\\fR(1) and so on.\n";
  std::string_view group;
  for (const Command* command : commands()) {
    if (!*command->group) continue;
    if (group != command->group) text += ".SS \"" + roff(group = command->group) + "\"\n";
    text += ".TP\n\\fB" + roff(command->name) + "\\fR\n" + roff(command->summary) + ".\n";
  }
  text += ".SH OPTIONS\n" + options(global_options());
  text += ".SH \"EXIT STATUS\"\n" + roff(exit_code_overview()) + ".\n";
  return text +
         ".SH ENVIRONMENT\n.TP\n\\fBANYVISOR_HOME\\fR\nThe folder that holds everything, where \\fB\\-\\-home\\fR does "
         "not say.\n";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> manual_pages() {
  std::vector<std::pair<std::string, std::string>> pages{{"anyvisor.1", overview_page()}};
  for (const Command* command : commands())
    if (*command->group) pages.emplace_back(page_name(command->name) + ".1", command_page(*command));
  return pages;
}

}  // namespace anyvisor::cli
