// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <cstdio>

#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

bool read_format(const Arguments& arguments) {
  if (const std::string format = arguments.value("format"); format == "raw" || format == "qcow2")
    throw UsageError("--format " + format + ": --format says how to answer, table or json",
                     "the format of a disk is --disk-format");
  return arguments.choice("format", {"table", "json"}, "table") == "json";
}

}  // namespace

Session::Session(const Arguments& arguments)
    : home_(arguments.value("home")),
      json_(read_format(arguments)),
      explain_(arguments.has("explain")),
      quiet_(arguments.has("quiet")) {
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

void Session::print(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Session::tell(const std::string& sentence) const {
  if (json_ || quiet_) return;
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
      const int code = report(result.error(), json_);
      if (first == 0) first = code;
    }
  }
  return first;
}

void Session::explain(const std::string& title, const Operation& operation) const {
  if (json_) {
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
