// SPDX-License-Identifier: MIT
#include "rows/rows.hpp"

#include <algorithm>
#include <iostream>

namespace anyvisor::bench {
namespace {

bool quick = false;

}  // namespace

void set_quick() {
  quick = true;
}

bool is_quick() {
  return quick;
}

void add_row(const std::string& name, int repetitions, std::function<void(benchmark::State&)> measure) {
  auto* row = benchmark::RegisterBenchmark(name.c_str(), std::move(measure));
  row->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);
  if (quick) return;
  row->Repetitions(repetitions)->ReportAggregatesOnly(true);
  row->ComputeStatistics("min", [](const auto& all) { return *std::min_element(all.begin(), all.end()); });
  row->ComputeStatistics("max", [](const auto& all) { return *std::max_element(all.begin(), all.end()); });
}

void Medians::ReportRuns(const std::vector<Run>& runs) {
  for (const auto& run : runs) {
    // What this machine lacks is no failure.
    if (run.error_occurred && run.error_message.rfind(lacking, 0) != 0) failed_ = true;
    if (run.error_occurred || !(quick || run.aggregate_name == "median")) continue;
    const std::string row = run.run_name.function_name;
    medians_[row] = run.GetAdjustedRealTime();
    for (const auto& [name, counter] : run.counters) medians_[row + " " + name] = counter.value;
  }
  ConsoleReporter::ReportRuns(runs);
}

double Medians::of(const std::string& row, const std::string& counter) const {
  const auto found = medians_.find(counter.empty() ? row : row + " " + counter);
  return found == medians_.end() ? 0 : found->second;
}

double ratio(double above, double below) {
  return below == 0 ? 0 : above / below;
}

void compare(const char* what, double value, double target, const char* unit, bool at_most) {
  if (value == 0) return;
  const bool met = at_most ? value <= target : value >= target;
  std::cout << what << ": " << value << ' ' << unit << " (target: " << (at_most ? "at most " : "at least ") << target
            << "): " << (met ? "met" : "MISSED") << '\n';
}

}  // namespace anyvisor::bench
