// SPDX-License-Identifier: MIT
#include "clone/slots.hpp"

#include <algorithm>
#include <set>

#include "document/fill_in.hpp"

namespace anyvisor {
namespace {

// A generalised overlay holds some twenty clusters; one with this many was written to by more than the worker.
constexpr std::size_t most_clusters = 4096;

// Clusters that follow each other on the guest's disk, as one text: a placeholder may cross from one to the next.
struct Run {
  std::uint64_t position = 0;
  std::string bytes;
};

std::vector<Run> join(const std::vector<OverlayCluster>& clusters) {
  std::vector<Run> runs;
  for (const auto& cluster : clusters) {
    if (runs.empty() || runs.back().position + runs.back().bytes.size() != cluster.offset)
      runs.push_back({cluster.offset, {}});
    runs.back().bytes += cluster.bytes;
  }
  return runs;
}

std::vector<std::uint64_t> positions_of(const std::string& text, const std::vector<Run>& runs) {
  std::vector<std::uint64_t> found;
  for (const auto& run : runs)
    for (auto at = run.bytes.find(text); at != std::string::npos; at = run.bytes.find(text, at + 1))
      found.push_back(run.position + at);
  return found;
}

// Enough of a placeholder to know it by, also where only its beginning stands.
constexpr std::size_t telling_length = 24;

}  // namespace

Result<std::vector<Slot>> find_slots(const std::string& path, std::vector<SoughtSlot> sought) {
  ANYVISOR_TRY(auto clusters, read_overlay(path, most_clusters));
  const auto runs = join(clusters);
  std::vector<Slot> slots;
  for (auto& one : sought) {
    const auto whole = positions_of(one.placeholder, runs);
    auto cannot = [&](const std::string& why) {
      return fail(ErrorKind::unsupported, one.slot.path + " cannot be placed on the disk: its content " + why);
    };
    if (whole.empty()) return cannot("is nowhere in one piece");
    if (whole.size() > 1 || positions_of(one.placeholder.substr(0, telling_length), runs).size() > 1)
      return cannot("stands there more than once");
    if (whole.front() != one.slot.position) return cannot("stands elsewhere than its file system says");
    slots.push_back(std::move(one.slot));
  }
  return slots;
}

Result<void> check_journals(const std::string& path, const std::vector<std::uint64_t>& superblocks) {
  // struct ext4_super_block: s_magic, s_feature_incompat (both little-endian; the flag is in its first byte).
  constexpr std::uint64_t magic_at = 0x38, features_at = 0x60;
  constexpr unsigned char needs_recovery = 0x04;
  ANYVISOR_TRY(auto clusters, read_overlay(path, most_clusters));
  for (const auto position : superblocks) {
    const std::uint64_t within = position % overlay_cluster;
    const auto cluster = std::ranges::find(clusters, position - within, &OverlayCluster::offset);
    // Mounting for writing marks the superblock: where it was not written, nothing was mounted.
    if (cluster == clusters.end()) continue;
    const auto byte = [&](std::uint64_t at) { return static_cast<unsigned char>(cluster->bytes[within + at]); };
    if (byte(magic_at) != 0x53 || byte(magic_at + 1) != 0xEF)
      return fail(ErrorKind::unsupported, "one of the guest's file systems is not where it was said to be");
    if ((byte(features_at) & needs_recovery) != 0)
      return fail(ErrorKind::unsupported, "one of the guest's file systems was left with work in its journal");
  }
  return {};
}

Result<std::vector<OverlayCluster>> clusters_of(const std::string& path, const std::vector<Slot>& slots) {
  std::set<std::uint64_t> wanted;
  for (const auto& slot : slots)
    for (auto at = slot.position / overlay_cluster; at <= (slot.position + slot.length - 1) / overlay_cluster; ++at)
      wanted.insert(at * overlay_cluster);
  ANYVISOR_TRY(auto clusters, read_overlay(path, most_clusters, &wanted));
  if (clusters.size() != wanted.size())
    return fail(ErrorKind::corrupted, "\"" + path + "\" has lost clusters in which slots stand");
  return clusters;
}

Result<std::string> content_of(const Slot& slot, const std::map<std::string, std::string>& values) {
  std::string content = fill_in(slot.text, values);
  if (content.size() > slot.length || (content.size() < slot.length && !content.ends_with('\n')))
    return fail(ErrorKind::internal, "the content of " + slot.path + " does not fit its slot: " +
                                         std::to_string(content.size()) + " bytes for " + std::to_string(slot.length));
  content.resize(slot.length, '\n');
  return content;
}

Result<void> fill_slots(std::vector<OverlayCluster>& clusters, const std::vector<Slot>& slots,
                        const std::map<std::string, std::string>& values) {
  for (const auto& slot : slots) {
    ANYVISOR_TRY(std::string content, content_of(slot, values));
    for (std::size_t done = 0; done < content.size();) {
      const std::uint64_t position = slot.position + done, within = position % overlay_cluster;
      auto cluster = std::ranges::find(clusters, position - within, &OverlayCluster::offset);
      if (cluster == clusters.end())
        return fail(ErrorKind::corrupted, "the slot of " + slot.path + " stands in no cluster of the template");
      const std::size_t piece = std::min<std::size_t>(content.size() - done, overlay_cluster - within);
      cluster->bytes.replace(within, piece, content, done, piece);
      done += piece;
    }
  }
  return {};
}

}  // namespace anyvisor
