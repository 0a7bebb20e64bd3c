// SPDX-License-Identifier: MIT
// Rows of anyvisor's own standby and restore, of a machine that stays from one round to the next.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

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

std::chrono::microseconds sum_of(const std::vector<Phase>& phases, std::initializer_list<std::string_view> names) {
  std::chrono::microseconds sum{0};
  for (const auto& phase : phases)
    for (const auto& name : names)
      if (phase.name == name) sum += phase.duration;
  return sum;
}

// A running machine that has touched its memory; deleted when it goes.
class Machine {
 public:
  Machine(const Place& place, const Size& size) : place_(place), size_(size) {
    auto opened = Manager::open(
        {place.home, std::filesystem::path(place.cli).parent_path().parent_path() / "libexec/anyvisor/plugin-host"});
    manager_.emplace(must(std::move(opened)));
    command({"launch", "pages", "--name", name, "--memory", std::to_string(size.mebibytes) + "M", "--network", "none",
             "--wait", "running", "--quiet"});
    try {
      info_ = must(manager_->info(name));
      LineSocket console(info_.folder + "/console.sock");
      touch(console, size);
      standby();  // the first one copies what was touched
      first_flush_ = sum_of(operation_.phases, {"memory"});
      restore();
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
  std::chrono::microseconds first_flush() const { return first_flush_; }
  void check() const {
    LineSocket console(info_.folder + "/console.sock");
    check_touched(console);
  }
  const Size& size() const { return size_; }

  static constexpr const char* name = "m";

 private:
  template <class T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  void remove() {
    Operation operation;
    if (manager_) (void)manager_->remove(name, {true}, operation);
  }
  const Place& place_;
  const Size size_;
  std::optional<Manager> manager_;
  InstanceInfo info_;
  Operation operation_;
  std::chrono::microseconds first_flush_{0};
};

// Rows of one size follow each other: one machine serves them, and goes with the last of them.
class Current {
 public:
  Machine& of(const Place& place, const Size& size) {
    if (machine_ && machine_->size().name() == size.name()) return *machine_;
    machine_.reset();
    machine_ = std::make_unique<Machine>(place, size);
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

// Time: the VMM's start to the guest going on. proof: to the first line from the guest; flush: the first standby's
// copy of all that was touched; stop: of the guest to its device state being written; standby: the whole operation.
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
    state.SetIterationTime(seconds(sum_of(restored, {"VMM start and device state", "VMM start", "VMM connection",
                                                     "device state", "manifest", "guest goes on"})));
    for (const auto& phase : restored)
      if (phase.name != "check" && phase.name != "record") state.counters[phase.name] = milliseconds(phase.duration);
    state.counters["proof"] = milliseconds(proof - before);
    state.counters["stop"] = milliseconds(sum_of(standby, {"guest stopped", "device state"}));
    state.counters["first flush"] = milliseconds(machine.first_flush());
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
}

}  // namespace anyvisor::bench
