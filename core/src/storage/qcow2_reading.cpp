// SPDX-License-Identifier: MIT
// What a qcow2 file holds of its own, found by its tables. Only in files that nothing else writes to meanwhile.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "storage/fd.hpp"
#include "storage/qcow2_overlay.hpp"

namespace anyvisor {
namespace {

// From docs/interop/qcow2.txt.
constexpr std::uint64_t magic = 0x514649fb;
constexpr std::size_t header_bytes = 104;
constexpr std::size_t version_at = 4, cluster_bits_at = 20, size_at = 24, crypt_at = 32, l1_size_at = 36,
                      l1_offset_at = 40, incompatible_at = 72;
constexpr std::uint64_t offset_mask = 0x00fffffffffffe00;
constexpr std::uint64_t copied = 1ULL << 63, compressed = 1ULL << 62, all_zeroes = 1;  // in entries of the tables
constexpr std::uint64_t dirty = 1;  // of the incompatible features: the only one that changes no layout
constexpr std::uint64_t most_l1_entries = (32ULL << 20) / 8;

std::uint64_t big_endian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

Result<std::string> read_at(int fd, std::size_t size, std::uint64_t offset, const std::string& path) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read \"" + path + "\"", errno);
    // A last cluster may be short: what is missing reads as zeroes.
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

struct Overlay {
  Fd fd;
  std::uint64_t cluster = 0, l1_entries = 0;
  std::string l1;
};

Result<Overlay> open_overlay(const std::string& path, int access = O_RDONLY) {
  Overlay overlay;
  overlay.fd = Fd(::open(path.c_str(), access | O_CLOEXEC));
  if (!overlay.fd) return fail_errno("cannot open \"" + path + "\"", errno);
  ANYVISOR_TRY(std::string header, read_at(overlay.fd.get(), header_bytes, 0, path));
  const std::uint64_t bits = big_endian(header, cluster_bits_at, 4), version = big_endian(header, version_at, 4);
  overlay.l1_entries = big_endian(header, l1_size_at, 4);
  if (big_endian(header, 0, 4) != magic || version < 2 || version > 3 || bits < 9 || bits > 21 ||
      overlay.l1_entries > most_l1_entries)
    return fail(ErrorKind::corrupted, "\"" + path + "\" is no qcow2 file");
  if (big_endian(header, crypt_at, 4) != 0 || (version == 3 && (big_endian(header, incompatible_at, 8) & ~dirty) != 0))
    return fail(ErrorKind::unsupported, "\"" + path + "\" uses features of qcow2 that cannot be looked into");
  overlay.cluster = 1ULL << bits;
  ANYVISOR_TRY(overlay.l1,
               read_at(overlay.fd.get(), overlay.l1_entries * 8, big_endian(header, l1_offset_at, 8), path));
  return overlay;
}

// `visit`(position on the disk, entry of an L2 table), in ascending order, where there are L2 tables. Ends at its
// error.
template <class Visit>
Result<void> for_each_entry(const Overlay& overlay, const std::string& path, Visit&& visit) {
  const std::uint64_t entries = overlay.cluster / 8;
  for (std::uint64_t i = 0; i < overlay.l1_entries; ++i) {
    const std::uint64_t l2_at = big_endian(overlay.l1, i * 8, 8) & offset_mask;
    if (l2_at == 0) continue;
    ANYVISOR_TRY(const std::string l2, read_at(overlay.fd.get(), overlay.cluster, l2_at, path));
    for (std::uint64_t j = 0; j < entries; ++j)
      ANYVISOR_CHECK(visit((i * entries + j) * overlay.cluster, big_endian(l2, j * 8, 8)));
  }
  return {};
}

}  // namespace

Result<std::uint64_t> virtual_size_of(const std::string& path, const std::string& format) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open \"" + path + "\"", errno);
  if (format == "raw") {
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail_errno("cannot look at \"" + path + "\"", errno);
    return static_cast<std::uint64_t>(status.st_size);
  }
  ANYVISOR_TRY(const std::string header, read_at(fd.get(), header_bytes, 0, path));
  if (big_endian(header, 0, 4) != magic) return fail(ErrorKind::corrupted, "\"" + path + "\" is no qcow2 file");
  return big_endian(header, size_at, 8);
}

Result<bool> overlay_is_empty(const std::string& path) {
  ANYVISOR_TRY(Overlay overlay, open_overlay(path));
  return overlay.l1.find_first_not_of('\0') == std::string::npos;
}

Result<std::vector<DiskRange>> overlay_ranges(const std::string& path) {
  ANYVISOR_TRY(Overlay overlay, open_overlay(path));
  std::vector<DiskRange> ranges;
  ANYVISOR_CHECK(for_each_entry(overlay, path, [&](std::uint64_t position, std::uint64_t entry) -> Result<void> {
    if ((entry & offset_mask) == 0 || (entry & (all_zeroes | compressed)) == all_zeroes) return {};
    if (!ranges.empty() && ranges.back().position + ranges.back().length == position)
      ranges.back().length += overlay.cluster;
    else
      ranges.push_back({position, overlay.cluster});
    return {};
  }));
  return ranges;
}

Result<std::vector<OverlayCluster>> read_overlay(const std::string& path, std::size_t limit,
                                                 const std::set<std::uint64_t>* only) {
  ANYVISOR_TRY(Overlay overlay, open_overlay(path));
  if (overlay.cluster != overlay_cluster)
    return fail(ErrorKind::unsupported, "\"" + path + "\" has clusters of another size");
  std::vector<OverlayCluster> clusters;
  ANYVISOR_CHECK(for_each_entry(overlay, path, [&](std::uint64_t position, std::uint64_t entry) -> Result<void> {
    if ((entry & compressed) != 0) return fail(ErrorKind::unsupported, "\"" + path + "\" has compressed clusters");
    if (only && !only->contains(position)) return {};
    // Zeroes (from a discard) hold no content of anybody's.
    if ((entry & offset_mask) == 0 || (entry & all_zeroes) != 0) return {};
    if (clusters.size() == limit)
      return fail(ErrorKind::exhausted, "\"" + path + "\" holds more than " + std::to_string(limit) + " clusters");
    ANYVISOR_TRY(std::string bytes, read_at(overlay.fd.get(), overlay.cluster, entry & offset_mask, path));
    clusters.push_back({position, std::move(bytes)});
    return {};
  }));
  return clusters;
}

namespace {

Result<void> write_durably(int fd, std::string_view bytes, std::uint64_t offset, const std::string& path) {
  ANYVISOR_CHECK(write_all_at(fd, bytes, offset, path));
  if (::fdatasync(fd) != 0) return fail_errno("cannot flush \"" + path + "\"", errno);
  return {};
}

// Where the cluster with the disk's byte `position` stands in the file.
Result<std::uint64_t> own_cluster(const Overlay& overlay, std::uint64_t position, const std::string& path) {
  const std::uint64_t index = position / overlay.cluster, entries = overlay.cluster / 8;
  const std::uint64_t l1_index = index / entries;
  const std::uint64_t l2_at = l1_index < overlay.l1_entries ? big_endian(overlay.l1, l1_index * 8, 8) & offset_mask : 0;
  std::uint64_t entry = 0;
  if (l2_at != 0) {
    ANYVISOR_TRY(const std::string bytes, read_at(overlay.fd.get(), 8, l2_at + index % entries * 8, path));
    entry = big_endian(bytes, 0, 8);
  }
  if ((entry & offset_mask) == 0 || (entry & copied) == 0 || (entry & (compressed | all_zeroes)) != 0)
    return fail(ErrorKind::unsupported,
                "\"" + path + "\" has no cluster of its own at byte " + std::to_string(position));
  return entry & offset_mask;
}

}  // namespace

Result<void> overwrite_in_place(const std::string& path, const std::string& format, std::uint64_t position,
                                std::string_view bytes) {
  if (format == "raw") {
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return fail_errno("cannot open \"" + path + "\"", errno);
    if (position + bytes.size() > static_cast<std::uint64_t>(status.st_size))
      return fail(ErrorKind::invalid_argument, "\"" + path + "\" ends before byte " + std::to_string(position));
    return write_durably(fd.get(), bytes, position, path);
  }
  ANYVISOR_TRY(const Overlay overlay, open_overlay(path, O_RDWR));
  while (!bytes.empty()) {
    const std::uint64_t within = position % overlay.cluster;
    const std::string_view piece = bytes.substr(0, overlay.cluster - within);
    ANYVISOR_TRY(const std::uint64_t at, own_cluster(overlay, position, path));
    ANYVISOR_CHECK(write_durably(overlay.fd.get(), piece, at + within, path));
    bytes.remove_prefix(piece.size());
    position += piece.size();
  }
  return {};
}

}  // namespace anyvisor
