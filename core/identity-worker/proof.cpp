// SPDX-License-Identifier: MIT
// The proof that slots are where they are thought to be: other texts are written there past the unmounted file systems,
// the guest's files are read, and must hold them. In the same appliance, so that the first clone waits for it no more
// than a second.
#include <algorithm>

#include "rewrite.hpp"

namespace anyvisor::identity {
namespace {

// As long as the placeholder and nothing like it.
std::string probe_of(const Slot& slot) {
  return {slot.placeholder.rbegin(), slot.placeholder.rend()};
}

}  // namespace

void Rewrite::find_places() {
  guest_.flush();
  std::vector<std::pair<std::string, std::size_t>> files;
  for (const auto& slot : slots_) files.emplace_back(slot.path, slot.length);
  const auto places = guest_.places_of(files);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].distrust.empty()) slots_[i].distrust = places[i].why_not;
    slots_[i].position = places[i].position;
  }
}

void Rewrite::prove_places() {
  const auto doubted = [](const Slot& slot) { return !slot.distrust.empty(); };
  if (slots_.empty() || std::ranges::any_of(slots_, doubted)) return;
  for (auto& slot : slots_)
    if (guest_.read_disk(slot.position, slot.length) != slot.placeholder)
      slot.distrust = "its content is not where its file system says";
  if (std::ranges::any_of(slots_, doubted)) return;
  std::map<std::uint64_t, std::string> probes, placeholders;
  for (const auto& slot : slots_) {
    probes[slot.position] = probe_of(slot);
    placeholders[slot.position] = slot.placeholder;
  }
  guest_.write_disk(probes);
  guest_.mount_again_to_read();
  for (auto& slot : slots_)
    if (guest_.read(slot.path) != probe_of(slot))
      slot.distrust = "what is written there is not what its file system reads";
  guest_.unmount();
  guest_.write_disk(placeholders);
  guest_.flush();
}

}  // namespace anyvisor::identity
