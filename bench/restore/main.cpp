// SPDX-License-Identifier: MIT
// bench-restore FOLDER [--quick] [--benchmark_...]: standby and restore of machines whose guest knows what stood in its
// memory, and what others do for the same, in one run. FOLDER/home has the image "pages" (restore.py).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "restore/restore_rows.hpp"
#include "rows/rows.hpp"

namespace anyvisor::bench {
namespace {

std::vector<Size> all_sizes() {
  if (is_quick()) return {{64, 50}};
  std::vector<Size> sizes;
  for (unsigned mebibytes : {256U, 1024U, 4096U})
    for (unsigned touched : {0U, 50U, 75U}) sizes.push_back({mebibytes, touched});
  return sizes;
}

void compare_with_targets(const Medians& medians, const std::vector<Size>& sizes) {
  double slowest = 0, command = 0, proof = 0, stop = 0;
  for (const auto& size : sizes) {
    const std::string row = "restore/" + size.name();
    slowest = std::max(slowest, medians.of(row));
    proof = std::max(proof, medians.of(row, "proof"));
    stop = std::max(stop, medians.of(row, "stop"));
    command = std::max(command, medians.of("restore-command/" + size.name()));
  }
  const std::string small = Size{256, 75}.name(), large = Size{4096, 75}.name();
  compare("VMM's start to running, slowest", slowest, 45, "ms");
  compare("4 GiB over 256 MiB", ratio(medians.of("restore/" + large), medians.of("restore/" + small)), 1.2, "times");
  compare("whole command, slowest", command, 100, "ms");
  compare("first proof from the guest, slowest", proof, 150, "ms");
  compare("loadvm over restore, both to the first proof, 4 GiB",
          ratio(medians.of("peer-loadvm/" + large), medians.of("restore/" + large, "proof")), 50, "times", false);
  compare("list or info while 4 GiB are flushed, slowest", medians.of("asked-while-flushing/" + large), 50, "ms");
  compare("guest's stop to its state being written, slowest", stop, 20, "ms");
  compare("flush, of what dd reaches, 4 GiB",
          ratio(medians.of("first-flush/" + large, "dd"), medians.of("first-flush/" + large)), 0.7, "times", false);
}

}  // namespace
}  // namespace anyvisor::bench

int main(int argc, char** argv) {
  using namespace anyvisor::bench;
  benchmark::Initialize(&argc, argv);
  const char* cli = std::getenv("ANYVISOR_CLI");
  const char* guest = std::getenv("ANYVISOR_PAGES_GUEST");
  if (argc < 2 || !cli || !guest) {
    std::cerr << "usage: ANYVISOR_CLI=PROGRAM ANYVISOR_PAGES_GUEST=KERNEL bench-restore FOLDER [--quick]\n";
    return 2;
  }
  if (argc > 2 && std::string(argv[2]) == "--quick") set_quick();
  const std::string folder = argv[1];
  const Place place{folder + "/home", cli, guest, folder};
  const auto sizes = all_sizes();
  register_ours(place, sizes);
  register_peers(place, sizes);
  Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  if (!is_quick()) compare_with_targets(medians, sizes);
  return medians.failed() ? 1 : 0;
}
