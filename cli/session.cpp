// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <cstdio>

#include "output/formats.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

Session::Format Session::read_format(const Arguments& arguments) {
  const std::string format = arguments.value("format", "table");
  if (format == "raw" || format == "qcow2")
    throw UsageError("--format " + format + ": --format says how to answer, table, json, csv or yaml",
                     "the format of a disk is --disk-format");
  arguments.choice("format", {"table", "json", "csv", "yaml"}, "table");
  return format == "json"   ? Format::json
         : format == "csv"  ? Format::csv
         : format == "yaml" ? Format::yaml
                            : Format::table;
}

Session::Session(const Arguments& arguments)
    : home_(arguments.value("home")),
      format_(read_format(arguments)),
      explain_(arguments.has("explain")),
      quiet_(arguments.has("quiet")),
      verbose_(arguments.has("verbose")) {
  if (quiet_ && verbose_) throw UsageError("--quiet and --verbose contradict each other", "give one of the two");
  if (arguments.has("home") && home_.empty()) throw UsageError("--home needs a folder", "");
}

Manager& Session::manager() {
  if (!manager_) {
    ManagerOptions options;
    options.home = home_;
    manager_.emplace(value_of(Manager::open(std::move(options))));
  }
  return *manager_;
}

void Session::answer(const std::string& json) const {
  if (format_ == Format::json) {
    print(json);
    return;
  }
  json::Document document;
  document.Parse(json.c_str());
  print(format_ == Format::csv ? to_csv(document) : to_yaml(document));
}

void Session::print(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Session::tell(const std::string& sentence) const {
  if (structured() || quiet_) return;
  print(one_line(sentence) + "\n");
  // In order with the messages on stderr, also when both go to one file.
  std::fflush(stdout);
}

int Session::for_each(const std::vector<std::string>& names,
                      const std::function<Result<void>(const std::string&)>& each) const {
  int first = 0;
  for (const auto& name : names) {
    // The one before was finished all the same: this one is what Ctrl-C left out.
    if (const int number = interrupted_by(); number != 0) return first == 0 ? 128 + number : first;
    auto result = each(name);
    if (!result) {
      const int code = report(result.error(), json(), 0, verbose_);
      if (first == 0) first = code;
    }
  }
  return first;
}

void Session::tell_phase(const std::string& title, const std::string& phase) {
  if (phase == phase_) return;
  phase_ = phase;
  std::fputs((one_line(title) + ": " + one_line(phase) + "\n").c_str(), stderr);
}

void Session::explain(const std::string& title, const Operation& operation) const {
  if (json()) {
    json::Document document = json::make_object();
    json::Value explained(rapidjson::kObjectType);
    json::set(document, explained, "operation", valid_utf8(title));
    json::set_value(document, explained, "phases", to_json(document, operation.phases));
    if (!operation.notes.empty()) {
      std::vector<std::string> notes;
      for (const auto& note : operation.notes) notes.push_back(valid_utf8(note));
      json::set(document, explained, "notes", notes);
    }
    json::set_value(document, document, "explain", std::move(explained));
    std::fputs((json::render(document) + "\n").c_str(), stderr);
    return;
  }
  Table table({"PHASE", "START", "DURATION"});
  std::int64_t end = 0;
  for (const auto& phase : operation.phases) {
    table.add({phase.name, human_duration(phase.start.count()), human_duration(phase.duration.count())});
    end = std::max<std::int64_t>(end, (phase.start + phase.duration).count());
  }
  table.add({"all of " + title, human_duration(0), human_duration(end)});
  std::string text = table.render();
  for (const auto& note : operation.notes) text += one_line(note) + "\n";
  std::fputs(text.c_str(), stderr);
}

}  // namespace anyvisor::cli
