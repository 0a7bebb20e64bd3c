// SPDX-License-Identifier: MIT
// bench-clone FOLDER [--quick] [--benchmark_...]: clones of the machines that sources.py has made in FOLDER, and what
// others do for one, in one run. Times are read by people, and compared with the targets at the end.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "clone_rows.hpp"
#include "rows/rows.hpp"

namespace anyvisor::bench {
namespace {

void compare_with_targets(const Medians& medians, const Sources& sources) {
  const std::string& first = sources.all.front().name;
  double least = 0, most = 0;
  for (const auto& source : sources.all)
    if (const double median = medians.of("storage-and-identity/" + source.name); median > 0) {
      least = least == 0 ? median : std::min(least, median);
      most = std::max(most, median);
    }
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
    if (!is_quick()) compare_with_targets(medians, sources);
    return medians.failed() ? 1 : 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
