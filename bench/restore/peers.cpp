// SPDX-License-Identifier: MIT
// What others do to save and restore a machine, and what a start without a saved memory takes, with plain QEMU.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <functional>
#include <stdexcept>

#include "restore/plain_qemu.hpp"
#include "restore/restore_rows.hpp"
#include "rows/command.hpp"
#include "rows/rows.hpp"

namespace anyvisor::bench {
namespace {

namespace fs = std::filesystem;

double seconds_to_first_line(PlainQemu& vmm) {
  return std::chrono::duration<double>(vmm.first_line() - vmm.started()).count();
}

// In a folder with an empty disk, which goes with what is in it.
template <class Measure>
void in_folder(benchmark::State& state, const Place& place, const Measure& measure) {
  const std::string folder = place.scratch + "/peer";
  for (auto _ : state) try {
      fs::remove_all(folder);
      fs::create_directories(folder);
      run_command({"qemu-img", "create", "-q", "-f", "qcow2", folder + "/disk.qcow2", "16G"});
      state.SetIterationTime(measure(folder));
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
      break;
    }
  fs::remove_all(folder);
}

void expect_silence(const std::string& reply) {
  if (reply.find("\"return\": \"\"") == std::string::npos) throw std::runtime_error("QEMU says: " + reply);
}

// savevm and -loadvm, as Multipass does: all of the memory goes into the disk. Time: exec to the guest's first line.
void loadvm(benchmark::State& state, const Place& place, const Size& size) {
  in_folder(state, place, [&](const std::string& folder) {
    PlainQemu vmm(place.guest, folder, size);
    touch(vmm.console(), size);
    const auto begin = std::chrono::steady_clock::now();
    expect_silence(vmm.monitor("savevm saved"));
    state.counters["save"] =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    vmm.end();
    PlainQemu restored(place.guest, folder, size, {"-loadvm", "saved"});
    const double time = seconds_to_first_line(restored);
    check_touched(restored.console());
    return time;
  });
}

void migrate_to_file(benchmark::State& state, const Place& place, const Size& size) {
  in_folder(state, place, [&](const std::string& folder) {
    const std::string file = folder + "/saved";
    PlainQemu vmm(place.guest, folder, size);
    touch(vmm.console(), size);
    vmm.monitor("migrate_set_parameter max-bandwidth 64g");
    const auto begin = std::chrono::steady_clock::now();
    expect_silence(vmm.monitor("migrate -d \"exec:cat >" + file + "\""));
    while (vmm.monitor("info migrate").find("Migration status: completed") == std::string::npos)
      if (std::chrono::steady_clock::now() - begin > std::chrono::minutes(2))
        throw std::runtime_error("QEMU does not end its migration");
    state.counters["save"] =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    vmm.end();
    PlainQemu restored(place.guest, folder, size, {"-incoming", "exec:cat " + file});
    const double time = seconds_to_first_line(restored);
    check_touched(restored.console());
    return time;
  });
}

void cold_boot(benchmark::State& state, const Place& place, const Size& size) {
  in_folder(state, place, [&](const std::string& folder) {
    PlainQemu vmm(place.guest, folder, size);
    return seconds_to_first_line(vmm);
  });
}

}  // namespace

void register_peers(const Place& place, const std::vector<Size>& sizes) {
  for (const auto& size : sizes) {
    const std::string name = size.name();
    add_row("peer-loadvm/" + name, few, [=, &place](auto& state) { loadvm(state, place, size); });
    add_row("peer-migrate-file/" + name, few, [=, &place](auto& state) { migrate_to_file(state, place, size); });
    add_row("cold-boot/" + name, few, [=, &place](auto& state) { cold_boot(state, place, size); });
  }
}

}  // namespace anyvisor::bench
