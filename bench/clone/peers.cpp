// SPDX-License-Identifier: MIT
// What others do for a clone, with the tools that they use, on the same disks. All are durable: fsync is on the clock.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>

#include "clone_rows.hpp"
#include "rows/command.hpp"
#include "rows/rows.hpp"

namespace anyvisor::bench {
namespace {

namespace fs = std::filesystem;

void each(benchmark::State& state, const fs::path& target, const std::function<double()>& measure) {
  for (auto _ : state) {
    try {
      fs::remove_all(target);
      fs::create_directories(target);
      state.SetIterationTime(measure());
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
      break;
    }
  }
  fs::remove_all(target);
}

std::vector<std::string> copy(const std::string& from, const std::string& to, const char* reflink) {
  return {"sh", "-c",
          std::string("cp --sparse=auto --reflink=") + reflink + " '" + from + "' '" + to + "/' && sync '" + to +
              "/disk.qcow2' '" + to + "'"};
}

void full_copy(benchmark::State& state, const Sources& sources, const Source& source) {
  const std::string target = sources.scratch + "/copy";
  each(state, target, [&] { return run_command(copy(source.peer + "/disk.qcow2", target, "never")); });
}

// libguestfs emulates where KVM does not work; ANYVISOR_BENCH_GUESTFS says so.
void virt_sysprep(benchmark::State& state, const Sources& sources, const Source& source) {
  if (!is_installed("virt-sysprep"))
    return state.SkipWithError(
        (lacking + std::string("virt-sysprep is not installed (package guestfs-tools)")).c_str());
  const std::string target = sources.scratch + "/sysprep";
  each(state, target, [&] {
    return run_command(copy(source.peer + "/disk.qcow2", target, "never")) +
           run_command({"virt-sysprep", "--quiet", "--hostname", "clone", "-a", target + "/disk.qcow2"},
                       {"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"}) +
           run_command({"sync", target + "/disk.qcow2"});
  });
}

// The copy of the instance's folder and a new seed. Less than Multipass does: its daemon and qemu-img's removal of
// snapshots are left out, and the seed's ISO file is copied instead of made.
void multipass_way(benchmark::State& state, const Sources& sources, const Source& source) {
  const std::string target = sources.scratch + "/multipass";
  each(state, target, [&] {
    return run_command({"sh", "-c",
                        "cp -r --sparse=auto --reflink=never '" + source.peer + "/.' '" + target + "' && sync '" +
                            target + "'/* '" + target + "'"});
  });
}

// A loop device with a file system that shares blocks, made for these rows.
class ReflinkMount {
 public:
  explicit ReflinkMount(const Sources& sources)
      : image_(sources.scratch + "/reflink.img"), folder_(sources.scratch + "/reflink") {
    if (::geteuid() != 0) throw std::runtime_error(lacking + std::string("a loop mount needs root"));
    if (!is_installed("mkfs.btrfs"))
      throw std::runtime_error(lacking + std::string("mkfs.btrfs is not installed (package btrfs-progs)"));
    run_command({"truncate", "-s", "12G", image_});
    run_command({"mkfs.btrfs", "-q", "-f", image_});
    fs::create_directories(folder_);
    run_command({"mount", "-o", "loop", image_, folder_});
    mounted_ = true;
  }
  ~ReflinkMount() {
    if (mounted_) try {
        run_command({"umount", folder_});
      } catch (const std::exception&) {
        // stays mounted, and says so
      }
    std::error_code ignored;
    fs::remove(image_, ignored);
  }
  ReflinkMount(const ReflinkMount&) = delete;
  ReflinkMount& operator=(const ReflinkMount&) = delete;
  const std::string& folder() const { return folder_; }

 private:
  const std::string image_, folder_;
  bool mounted_ = false;
};

void reflink_copy(benchmark::State& state, const Sources& sources, const Source& source) {
  try {
    const ReflinkMount mount(sources);
    fs::create_directories(mount.folder() + "/source");
    run_command(copy(source.peer + "/disk.qcow2", mount.folder() + "/source", "never"));
    const std::string target = mount.folder() + "/clone";
    each(state, target, [&] { return run_command(copy(mount.folder() + "/source/disk.qcow2", target, "always")); });
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

}  // namespace

void register_peers(const Sources& sources) {
  for (const auto& source : sources.all) {
    add_row("peer-full-copy/" + source.name, few, [&](auto& state) { full_copy(state, sources, source); });
    add_row("peer-multipass/" + source.name, few, [&](auto& state) { multipass_way(state, sources, source); });
  }
  for (const auto& source : sources.all)
    add_row("peer-reflink/" + source.name, some, [&](auto& state) { reflink_copy(state, sources, source); });
  add_row("peer-virt-sysprep/" + sources.all.front().name, few,
          [&](auto& state) { virt_sysprep(state, sources, sources.all.front()); });
}

}  // namespace anyvisor::bench
