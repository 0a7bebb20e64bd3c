// SPDX-License-Identifier: MIT
// Slots: where on a generalised disk the values stand that every clone has of its own. Found once, by placeholders that
// the identity worker wrote; a clone is then the same few clusters with its values in them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "anyvisor/result.hpp"
#include "storage/qcow2_overlay.hpp"

namespace anyvisor {

// One file of the guest whose whole content is a slot.
struct Slot {
  std::string unit, path;
  std::string text;            // the content, with {variables}; what it is short of `length` is filled with newlines
  std::size_t length = 0;      // bytes
  std::uint64_t position = 0;  // on the guest's disk
};

struct SoughtSlot {
  Slot slot;  // its position: where the guest's file system says it is
  std::string placeholder;
};

// Looks every placeholder up in what the overlay `path` holds of its own. Errors: unsupported, with the reason why
// slots cannot be trusted on this disk (one is not there, there twice, not in one piece, or elsewhere than its file
// system says).
Result<std::vector<Slot>> find_slots(const std::string& path, std::vector<SoughtSlot> sought);

// Did whoever wrote the overlay `path` leave these ext4 file systems (positions of their superblocks) with nothing in
// the journal that is still to be done? Errors: unsupported (no), those of read_overlay.
Result<void> check_journals(const std::string& path, const std::vector<std::uint64_t>& superblocks);

// The clusters of the overlay `path` in which `slots` stand: what every clone starts from.
Result<std::vector<OverlayCluster>> clusters_of(const std::string& path, const std::vector<Slot>& slots);

// The slot's content with these values. Errors: internal (a variable has no value, or the content does not fit).
Result<std::string> content_of(const Slot& slot, const std::map<std::string, std::string>& values);

// Puts each slot's content into its place in `clusters`. Errors: those of content_of; corrupted (a slot stands outside
// of them).
Result<void> fill_slots(std::vector<OverlayCluster>& clusters, const std::vector<Slot>& slots,
                        const std::map<std::string, std::string>& values);

}  // namespace anyvisor
