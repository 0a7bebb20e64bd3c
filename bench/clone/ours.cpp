// SPDX-License-Identifier: MIT
// Rows of anyvisor's own clones. Each iteration makes clones and deletes them outside of the clock.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "anyvisor/manager.hpp"
#include "clone_rows.hpp"
#include "rows/command.hpp"
#include "rows/rows.hpp"

namespace anyvisor::bench {
namespace {

// The clones of one iteration, all that the source has; deleted when it goes.
class Clones {
 public:
  Clones(const Sources& sources, std::string source) : sources_(sources), source_(std::move(source)) {}
  ~Clones() {
    auto manager = Manager::open({sources_.home, ""});
    if (!manager) return;
    auto all = manager->list();
    if (!all) return;
    for (const auto& instance : *all) {
      Operation operation;
      if (instance.cloned_from == source_) (void)manager->remove(instance.id, {true, true}, operation);
    }
  }
  Clones(const Clones&) = delete;
  Clones& operator=(const Clones&) = delete;

  double make(const std::vector<std::string>& options) const {
    std::vector<std::string> words{sources_.cli, "--home", sources_.home, "clone", source_, "--quiet"};
    words.insert(words.end(), options.begin(), options.end());
    return run_command(words);
  }

 private:
  const Sources& sources_;
  const std::string source_;
};

enum class Part { storage_and_identity, whole };

bool is_storage_or_identity(const std::string& phase) {
  return phase == "freeze" || phase == "prepare" || phase == "keys" || phase == "disk" || phase == "seed" ||
         phase == "flush";
}

// The operation in this process, without starting one. Storage and identity: the source's disk frozen (or seen to be),
// the clone's disk and seed made with its own keys and ids, durably. The rest of the whole: lookup, locks, the record.
void in_process(benchmark::State& state, const Sources& sources, const Source& source, Part part) {
  auto manager = Manager::open(
      {sources.home, std::filesystem::path(sources.cli).parent_path().parent_path() / "libexec/anyvisor/plugin-host"});
  if (!manager) return state.SkipWithError(manager.error().message.c_str());
  for (auto _ : state) {
    Clones clones(sources, source.name);
    CloneRequest request;
    request.source = source.name;
    Operation operation;
    auto made = manager->clone(request, operation);
    if (!made) return state.SkipWithError(made.error().message.c_str());
    std::chrono::microseconds own{0}, whole{0};
    for (const auto& phase : operation.phases) {
      whole += phase.duration;
      if (is_storage_or_identity(phase.name)) own += phase.duration;
    }
    state.SetIterationTime(std::chrono::duration<double>(part == Part::whole ? whole : own).count());
  }
}

void whole_command(benchmark::State& state, const Sources& sources, const Source& source,
                   const std::vector<std::string>& options) {
  for (auto _ : state) try {
      Clones clones(sources, source.name);
      state.SetIterationTime(clones.make(options));
    } catch (const std::exception& error) {
      return state.SkipWithError(error.what());
    }
}

// One sector of the source's disk is written before each clone, as a run of it would.
void changed_source(benchmark::State& state, const Sources& sources, const Source& source) {
  auto manager = Manager::open({sources.home, ""});
  for (auto _ : state) try {
      Clones clones(sources, source.name);
      auto info = manager->info(source.name);
      if (!info) throw std::runtime_error(info.error().message);
      run_command({"sh", "-c",
                   "disk=$(sed -n 's/.*\"disk\": \"\\(.*\\)\".*/\\1/p' '" + info->folder +
                       "/instance.json') && qemu-io -f qcow2 -c 'write -q -P 7 3G 512' '" + sources.home +
                       "/disks/'$disk.qcow2"});
      state.SetIterationTime(clones.make({}));
    } catch (const std::exception& error) {
      return state.SkipWithError(error.what());
    }
}

// `source` runs meanwhile. Without its identity's rewrite: that is the row of a changed source.
void running_source(benchmark::State& state, const Sources& sources, const Source& source) {
  const std::vector<std::string> anyvisor{sources.cli, "--home", sources.home};
  auto command = [&](std::vector<std::string> words) {
    words.insert(words.begin(), anyvisor.begin(), anyvisor.end());
    return run_command(words);
  };
  try {
    command({"start", source.name, "--wait", "running", "--quiet"});
    for (auto _ : state) {
      Clones clones(sources, source.name);
      state.SetIterationTime(clones.make({"--identity", "none"}));
    }
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
  try {
    command({"stop", source.name, "--force", "--quiet"});
  } catch (const std::exception&) {
    // its error is the one above
  }
}

}  // namespace

void register_ours(const Sources& sources) {
  for (const auto& source : sources.all) {
    add_row("storage-and-identity/" + source.name, many,
            [&](auto& state) { in_process(state, sources, source, Part::storage_and_identity); });
    add_row("in-process/" + source.name, many, [&](auto& state) { in_process(state, sources, source, Part::whole); });
    add_row("command/" + source.name, many, [&](auto& state) { whole_command(state, sources, source, {}); });
  }
  const Source& smallest = sources.all.front();
  for (const char* count : {"1", "4", "16"})
    add_row(std::string("command-count/") + count, many, [&sources, &smallest, count](auto& state) {
      whole_command(state, sources, smallest, {"--count", count});
    });
  add_row("copy-strategy/" + smallest.name, few, [&](auto& state) {
    whole_command(state, sources, smallest, {"--strategy", "copy"});
  });
  add_row("fallback/" + smallest.name, few, [&](auto& state) {
    whole_command(state, sources, smallest, {"--keep", "iscsi-initiator"});
  });
  add_row("running-source/" + smallest.name, some, [&](auto& state) { running_source(state, sources, smallest); });
  add_row("changed-source/" + smallest.name, few, [&](auto& state) { changed_source(state, sources, smallest); });
}

}  // namespace anyvisor::bench
