// SPDX-License-Identifier: MIT
// bench-clone FOLDER [--quick] [--benchmark_...]: clones of the machines that sources.py has made in FOLDER, and what
// others do for one, in one run. Times are read by people, and compared with the targets at the end.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>

#include "rows.hpp"

namespace anyvisor::bench {
namespace {

bool quick = false;

// Prints as usual, and keeps each row's median.
class Medians : public benchmark::ConsoleReporter {
 public:
  Medians() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const auto& run : runs) {
      // What this machine lacks is no failure.
      if (run.error_occurred && run.error_message.rfind(lacking, 0) != 0) failed_ = true;
      if (!run.error_occurred && (quick || run.aggregate_name == "median"))
        medians_[run.run_name.function_name] = run.GetAdjustedRealTime();
    }
    ConsoleReporter::ReportRuns(runs);
  }
  bool failed() const { return failed_; }
  // 0: not measured
  double of(const std::string& row) const {
    const auto found = medians_.find(row + "/iterations:1");
    const auto plain = medians_.find(row);
    return found != medians_.end() ? found->second : plain != medians_.end() ? plain->second : 0;
  }

 private:
  bool failed_ = false;
  std::map<std::string, double> medians_;
};

void compare(const char* what, double value, double target, const char* unit, bool at_most = true) {
  if (value == 0) return;
  const bool met = at_most ? value <= target : value >= target;
  std::cout << what << ": " << value << ' ' << unit << " (target: " << (at_most ? "at most " : "at least ") << target
            << "): " << (met ? "met" : "MISSED") << '\n';
}

void compare_with_targets(const Medians& medians, const Sources& sources) {
  const std::string& first = sources.all.front().name;
  double least = 0, most = 0;
  for (const auto& source : sources.all)
    if (const double median = medians.of("storage-and-identity/" + source.name); median > 0) {
      least = least == 0 ? median : std::min(least, median);
      most = std::max(most, median);
    }
  auto ratio = [](double above, double below) { return below == 0 ? 0 : above / below; };
  const double command = medians.of("command/" + first);
  compare("storage and identity, slowest disk", most, 3, "ms");
  compare("slowest disk over quickest", ratio(most, least), 1.2, "times");
  compare("whole command", command, 30, "ms");
  compare("16 clones by one command", medians.of("command-count/16"), 100, "ms");
  compare("copy + virt-sysprep over the whole command", ratio(medians.of("peer-virt-sysprep/" + first), command), 400,
          "times", false);
  compare("Multipass's way over the whole command, smallest disk",
          ratio(medians.of("peer-multipass/" + first), command), 1, "times", false);
}

}  // namespace

void set_quick() {
  quick = true;
}

void add_row(const std::string& name, int repetitions, std::function<void(benchmark::State&)> measure) {
  auto* row = benchmark::RegisterBenchmark(name.c_str(), std::move(measure));
  row->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);
  if (quick) return;
  row->Repetitions(repetitions)->ReportAggregatesOnly(true);
  row->ComputeStatistics("min", [](const auto& all) { return *std::min_element(all.begin(), all.end()); });
  row->ComputeStatistics("max", [](const auto& all) { return *std::max_element(all.begin(), all.end()); });
}

}  // namespace anyvisor::bench

int main(int argc, char** argv) {
  using namespace anyvisor::bench;
  benchmark::Initialize(&argc, argv);
  const char* cli = std::getenv("ANYVISOR_CLI");
  if (argc < 2 || !cli) {
    std::cerr << "usage: ANYVISOR_CLI=PROGRAM bench-clone FOLDER [--quick]\n";
    return 2;
  }
  if (argc > 2 && std::string(argv[2]) == "--quick") set_quick();
  try {
    const Sources sources = read_sources(argv[1], cli);
    register_ours(sources);
    register_peers(sources);
    Medians medians;
    benchmark::RunSpecifiedBenchmarks(&medians);
    if (!quick) compare_with_targets(medians, sources);
    return medians.failed() ? 1 : 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
