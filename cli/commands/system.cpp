// SPDX-License-Identifier: MIT
// anyvisor doctor, version.
#include <anyvisor/json.hpp>

#include "command.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

int run_doctor(Session& session, const Arguments&) {
  Manager& manager = session.manager();
  const auto findings = value_of(
      session.perform("looking at this machine", [&](Operation& operation) { return manager.doctor(operation); }));
  if (session.structured()) {
    session.answer(json_list("findings", findings));
    return 0;
  }
  std::size_t width = 0, notes = 0;
  for (const auto& finding : findings) width = std::max(width, display_width(one_line(finding.subject)));
  const std::string indent(width + 6, ' ');
  for (const auto& finding : findings) {
    const std::string subject = one_line(finding.subject);
    std::string text = (finding.ok         ? "ok  "
                        : finding.optional ? "--  "
                                           : "!!  ") +
                       subject + std::string(width - display_width(subject) + 2, ' ') + one_line(finding.detail) + "\n";
    if (!finding.consequence.empty()) text += indent + one_line(finding.consequence) + "\n";
    if (!finding.remedy.empty())
      text += indent + (finding.optional ? "to use it: " : "remedy: ") + one_line(finding.remedy) + "\n";
    session.print(text);
    notes += !finding.ok && !finding.optional;
  }
  session.tell(notes == 0 ? "All is well."
                          : std::to_string(notes) + (notes == 1 ? " thing needs" : " things need") + " a look.");
  return 0;
}

int run_version(Session& session, const Arguments&) {
  if (session.structured()) {
    json::Document document = json::make_object();
    json::set(document, document, "version", version());
    session.answer(json::render_pretty(document));
  } else {
    session.print("anyvisor " + std::string(version()) + "\n");
  }
  return 0;
}

}  // namespace

extern const Command doctor_command, version_command;
constinit const Command doctor_command{
    "This machine", "doctor", nullptr, "", "Say what works here, what does not, and what mends it",
    nullptr,        0,        0,       {}, run_doctor};
constinit const Command version_command{"This machine", "version", nullptr, "", "Print the version",
                                        nullptr,        0,         0,       {}, run_version};

}  // namespace anyvisor::cli
