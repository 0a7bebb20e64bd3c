// SPDX-License-Identifier: MIT
// Rows of anyvisor's own standby and restore, of a machine that stays from one round to the next.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <thread>

#include "anyvisor/manager.hpp"
#include "restore/restore_rows.hpp"
#include "rows/command.hpp"
#include "rows/rows.hpp"

namespace anyvisor::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

double milliseconds(std::chrono::microseconds time) {
  return seconds(time) * 1000;
}

// Of a restore: from the VMM's start to the guest going on.
const std::vector<std::string_view> running_phases{"VMM start", "VMM connection", "device state", "manifest",
                                                   "guest goes on"};

std::chrono::microseconds sum_of(const std::vector<Phase>& phases, const std::vector<std::string_view>& names) {
  std::chrono::microseconds sum{0};
  for (const auto& phase : phases)
    for (const auto& name : names)
      if (phase.name == name) sum += phase.duration;
  return sum;
}

// A running machine that has touched its memory; deleted when it goes.
class Machine {
 public:
  // `backing`: the setting memory.backing.
  Machine(const Place& place, const Size& size, const std::string& backing) : place_(place), size_(size) {
    auto opened = Manager::open(
        {place.home, std::filesystem::path(place.cli).parent_path().parent_path() / "libexec/anyvisor/plugin-host"});
    manager_.emplace(must(std::move(opened)));
    command({"set", "--global", "memory.backing=" + backing, "--quiet"});
    command({"launch", "pages", "--name", name, "--memory", std::to_string(size.mebibytes) + "M", "--network", "none",
             "--wait", "running", "--quiet"});
    try {
      info_ = must(manager_->info(name));
      LineSocket console(info_.folder + "/console.sock");
      const auto begin = Clock::now();
      touch(console, size);
      filled_ = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~Machine() { remove(); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const std::vector<Phase>& standby() {
    operation_ = {};
    must(manager_->standby(name, {}, operation_));
    return operation_.phases;
  }
  const std::vector<Phase>& restore() {
    operation_ = {};
    must(manager_->restore(name, {WaitFor::nothing}, operation_));
    return operation_.phases;
  }
  double command(std::vector<std::string> words) const {
    words.insert(words.begin(), {place_.cli, "--home", place_.home});
    return run_command(words);
  }
  const std::string& console_log() const { return info_.console_log; }
  // How long its guest took to fill its memory.
  std::chrono::microseconds filled() const { return filled_; }
  // Of the first standby, which copies what was touched.
  std::chrono::microseconds first_flush() {
    if (first_flush_.count() == 0) {
      first_flush_ = std::max(sum_of(standby(), {"memory"}), std::chrono::microseconds(1));
      restore();
    }
    return first_flush_;
  }
  void check() const {
    LineSocket console(info_.folder + "/console.sock");
    check_touched(console);
  }
  const Size& size() const { return size_; }
  const std::string& folder() const { return info_.folder; }
  // A path of its memory, while that is in no file.
  std::string memfd() const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(info_.vmm_pid) + "/fd"))
      if (std::filesystem::read_symlink(entry).string().starts_with("/memfd:")) return entry.path();
    throw std::runtime_error("its VMM has no memfd");
  }

  static constexpr const char* name = "m";

 private:
  template <class T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  void remove() {
    Operation operation;
    if (manager_) (void)manager_->remove(name, {true, true}, operation);
  }
  const Place& place_;
  const Size size_;
  std::optional<Manager> manager_;
  InstanceInfo info_;
  Operation operation_;
  std::chrono::microseconds filled_{0}, first_flush_{0};
};

// Rows of one size follow each other: one machine serves them, and goes with the last of them.
class Current {
 public:
  Machine& of(const Place& place, const Size& size) {
    if (machine_ && machine_->size().name() == size.name()) return *machine_;
    machine_.reset();
    machine_ = std::make_unique<Machine>(place, size, "memfd");
    machine_->first_flush();
    return *machine_;
  }
  void end() { machine_.reset(); }

 private:
  std::unique_ptr<Machine> machine_;
};

template <class Measure>
void guarded(benchmark::State& state, Current& current, const Measure& measure) {
  for (auto _ : state) try {
      measure();
    } catch (const std::exception& error) {
      current.end();
      return state.SkipWithError(error.what());
    }
}

// Time: the VMM's start to the guest going on. proof: to the first line from the guest; stop: of the guest to its
// device state being written; next flush: of a machine that runs on its file already.
void restore(benchmark::State& state, const Place& place, const Size& size, Current& current) {
  guarded(state, current, [&] {
    Machine& machine = current.of(place, size);
    const auto standby = machine.standby();
    const auto log = size_of(machine.console_log());
    const auto begin = Clock::now();
    const auto restored = machine.restore();
    const auto proof =
        std::chrono::duration_cast<std::chrono::microseconds>(wait_for_growth(machine.console_log(), log) - begin);
    const auto before = sum_of(restored, {"check", "saved state", "plugin-host"});
    state.SetIterationTime(seconds(sum_of(restored, running_phases)));
    for (const auto& phase : restored)
      if (phase.name != "check" && phase.name != "record") state.counters[phase.name] = milliseconds(phase.duration);
    state.counters["proof"] = milliseconds(proof - before);
    state.counters["stop"] = milliseconds(sum_of(standby, {"guest stopped", "device state"}));
    state.counters["next flush"] = milliseconds(sum_of(standby, {"memory"}));
  });
}

void restore_command(benchmark::State& state, const Place& place, const Size& size, Current& current) {
  guarded(state, current, [&] {
    Machine& machine = current.of(place, size);
    machine.standby();
    state.SetIterationTime(machine.command({"restore", Machine::name, "--quiet"}));
  });
}

// The last row of a size: whether all of it has come through.
void standby_command(benchmark::State& state, const Place& place, const Size& size, Current& current) {
  guarded(state, current, [&] {
    Machine& machine = current.of(place, size);
    state.SetIterationTime(machine.command({"standby", Machine::name, "--quiet"}));
    machine.restore();
    machine.check();
  });
}

// Time: of the first standby's copy of all that was touched, each time by a new machine. dd: the same bytes with
// conv=fsync, the mean of one before and one after: on a virtual machine, memory that was not used lately is slow.
void first_flush(benchmark::State& state, const Place& place, const Size& size, Current& current) {
  guarded(state, current, [&] {
    current.end();
    Machine machine(place, size, "memfd");
    const auto dd = [&](const std::string& from) {
      const std::string to = place.scratch + "/bytes";
      const double time = run_command({"dd", "if=" + from, "of=" + to, "bs=1M", "conv=fsync", "status=none",
                                       "count=" + std::to_string(size.touched_bytes() >> 20U)});
      std::filesystem::remove(to);
      return time;
    };
    const double before = dd(machine.memfd());
    state.SetIterationTime(seconds(machine.first_flush()));
    state.counters["dd"] = (before + dd(machine.folder() + "/saved/memory")) / 2 * 1000;
    machine.check();
  });
}

// What the kind of memory costs. Time: of the guest filling it; flush: of the first standby; restore: as above.
void backing(benchmark::State& state, const Place& place, const Size& size, Current& current, const std::string& kind) {
  guarded(state, current, [&] {
    current.end();
    Machine machine(place, size, kind);
    state.SetIterationTime(seconds(machine.filled()));
    state.counters["flush"] = milliseconds(machine.first_flush());
    machine.standby();
    state.counters["restore"] = milliseconds(sum_of(machine.restore(), running_phases));
    machine.check();
  });
}

// `list` and `info` in turns while a first standby is flushing. Time: the slowest of them.
void asked_while_flushing(benchmark::State& state, const Place& place, const Size& size, Current& current) {
  guarded(state, current, [&] {
    current.end();
    Machine machine(place, size, "memfd");
    std::atomic<bool> ended = false;
    std::vector<double> times;
    std::thread flushing([&] {
      try {
        machine.command({"standby", Machine::name, "--quiet"});
      } catch (const std::exception&) {
        // the restore below says it
      }
      ended = true;
    });
    do {
      times.push_back(machine.command({"list", "--format", "json"}));
      times.push_back(machine.command({"info", Machine::name, "--format", "json"}));
    } while (!ended);
    flushing.join();
    machine.restore();
    machine.check();
    std::ranges::sort(times);
    state.SetIterationTime(times.back());
    state.counters["asked"] = static_cast<double>(times.size());
    state.counters["median"] = times[times.size() / 2] * 1000;
  });
}

}  // namespace

void register_ours(const Place& place, const std::vector<Size>& sizes) {
  auto current = std::make_shared<Current>();
  for (const auto& size : sizes) {
    add_row("restore/" + size.name(), some, [=, &place](auto& state) { restore(state, place, size, *current); });
    add_row("restore-command/" + size.name(), some,
            [=, &place](auto& state) { restore_command(state, place, size, *current); });
    add_row("standby-command/" + size.name(), few,
            [=, &place](auto& state) { standby_command(state, place, size, *current); });
  }
  add_row("asked-while-flushing/" + sizes.back().name(), few,
          [=, &place](auto& state) { asked_while_flushing(state, place, sizes.back(), *current); });
  for (const auto& size : sizes)
    if (size.touched_percent == sizes.back().touched_percent)
      add_row("first-flush/" + size.name(), few,
              [=, &place](auto& state) { first_flush(state, place, size, *current); });
  for (const char* kind : {"memfd", "file"})
    for (const auto& size : sizes)
      if (size.mebibytes <= 1024 && size.touched_percent > 0)
        add_row(std::string("backing-") + kind + "/" + size.name(), few,
                [=, &place](auto& state) { backing(state, place, size, *current, kind); });
}

}  // namespace anyvisor::bench
