// SPDX-License-Identifier: MIT
// qcow2 overlays, written and looked into here and not by qemu-img: without a process, in a fraction of a millisecond
// whatever the disk's size. The layout is that of QEMU's docs/interop/qcow2.txt, version 3.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "anyvisor/result.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

struct OverlaySpec {
  std::string backing_file;        // bare name of the file below, in the same folder
  std::string backing_format;      // "qcow2" or "raw"
  std::uint64_t virtual_size = 0;  // bytes; rounded up to whole sectors of 512
};

// What an overlay holds of its own, and the unit in which it does: 64 KiB, as qemu-img makes them.
inline constexpr std::uint64_t overlay_cluster = 1ULL << 16;
struct OverlayCluster {
  std::uint64_t offset = 0;  // in the guest's disk; a multiple of overlay_cluster
  std::string bytes;         // overlay_cluster of them
};

// Creates `path` (mode 0600) with `clusters` (in ascending order) in it, and begins to write it to its disk: the file
// that is returned and its folder are the caller's to flush. On failure no file is left. [any thread] Errors:
// already_exists; exhausted (no space); invalid_argument (a name or a size that the format has no room for); as
// fail_errno.
Result<Fd> write_overlay(const std::string& path, const OverlaySpec& spec, const std::vector<OverlayCluster>& clusters);

// Bytes of the disk that a guest sees: what a qcow2 file says of itself, or a raw file's length. Errors: corrupted, as
// fail_errno.
Result<std::uint64_t> virtual_size_of(const std::string& path, const std::string& format);

// Does the overlay hold nothing of its own: is the disk below all there is to see? Errors: corrupted (no qcow2 file of
// ours), as fail_errno.
Result<bool> overlay_is_empty(const std::string& path);
// Where it holds something of its own, joined and in ascending order. Errors: corrupted, unsupported, as fail_errno.
struct DiskRange {
  std::uint64_t position = 0, length = 0;  // bytes of the guest's disk
};
Result<std::vector<DiskRange>> overlay_ranges(const std::string& path);
// What it holds, in ascending order; neither compressed nor with subclusters. `only`: of the clusters at these offsets;
// nullptr: of all. Errors: corrupted, as fail_errno; unsupported (compressed clusters, other cluster sizes); exhausted
// (more than `limit` clusters).
Result<std::vector<OverlayCluster>> read_overlay(const std::string& path, std::size_t limit,
                                                 const std::set<std::uint64_t>* only = nullptr);

// Puts `bytes` in the place of those that the disk has at `position`, and flushes them. Only where a qcow2 file has
// clusters of its own already (a raw one: always); nobody else has it open. Errors: unsupported (it has none there),
// invalid_argument (a raw disk ends before), corrupted, as fail_errno.
Result<void> overwrite_in_place(const std::string& path, const std::string& format, std::uint64_t position,
                                std::string_view bytes);

}  // namespace anyvisor
