// SPDX-License-Identifier: MIT
#include "storage/qcow2_overlay.hpp"

#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "storage/fd.hpp"

namespace anyvisor {
namespace {

// All from docs/interop/qcow2.txt.
constexpr std::uint32_t magic = 0x514649fb;  // "QFI" 0xfb
constexpr std::uint32_t version = 3;
constexpr std::uint32_t cluster_bits = 16;  // 64 KiB, qemu-img's default
constexpr std::uint64_t cluster = 1ULL << cluster_bits;
static_assert(cluster == overlay_cluster);
constexpr std::uint32_t refcount_order = 4;  // 16-bit reference counts
constexpr std::uint32_t header_length = 104;
constexpr std::uint32_t backing_format_extension = 0xe2792aca;
constexpr std::size_t longest_backing_name = 1023;
constexpr std::uint64_t sector = 512;
constexpr std::uint64_t copied = 1ULL << 63;  // in table entries: nothing else refers to this cluster
// One entry of the L1 table stands for one L2 table (a cluster of 8-byte entries), each of them for a cluster.
constexpr std::uint64_t bytes_per_l1_entry = cluster / 8 * cluster;
constexpr std::uint64_t most_l1_bytes = 32ULL << 20;  // what QEMU opens
// Where things stand: the header, the refcount table, its one block, the L1 table.
constexpr std::uint64_t refcount_table_at = cluster, refcount_block_at = 2 * cluster, l1_at = 3 * cluster;

class BigEndian {
 public:
  void u16(std::uint64_t value) { put(value, 2); }
  void u32(std::uint64_t value) { put(value, 4); }
  void u64(std::uint64_t value) { put(value, 8); }
  void text(std::string_view text) { bytes_ += text; }
  void align(std::size_t to) { bytes_.resize((bytes_.size() + to - 1) / to * to); }
  std::size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  void put(std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  std::string bytes_;
};

std::string make_header(const OverlaySpec& spec, std::uint64_t size, std::uint64_t l1_entries) {
  BigEndian extensions;
  extensions.u32(backing_format_extension);
  extensions.u32(spec.backing_format.size());
  extensions.text(spec.backing_format);
  extensions.align(8);
  extensions.u64(0);  // the end of the extensions

  BigEndian header;
  header.u32(magic);
  header.u32(version);
  header.u64(header_length + extensions.size());  // the backing file's name stands there
  header.u32(spec.backing_file.size());
  header.u32(cluster_bits);
  header.u64(size);
  header.u32(0);  // not encrypted
  header.u32(l1_entries);
  header.u64(l1_at);
  header.u64(refcount_table_at);
  header.u32(1);  // clusters of the refcount table
  header.u32(0);  // no snapshots
  header.u64(0);
  header.u64(0);  // incompatible, compatible, autoclear features: none
  header.u64(0);
  header.u64(0);
  header.u32(refcount_order);
  header.u32(header_length);
  header.text(extensions.bytes());
  header.text(spec.backing_file);
  return header.bytes();
}

// The positions of everything in the file, in the order in which it stands there.
struct Layout {
  std::uint64_t l1_entries = 0, l1_clusters = 0;
  std::vector<std::uint64_t> l2_indexes;  // of the L1 entries that have an L2 table
  std::uint64_t l2_at = 0, data_at = 0, end = 0;
};

Layout lay_out(std::uint64_t size, const std::vector<OverlayCluster>& clusters) {
  Layout layout;
  layout.l1_entries = (size + bytes_per_l1_entry - 1) / bytes_per_l1_entry;
  layout.l1_clusters = (layout.l1_entries * 8 + cluster - 1) / cluster;
  for (const auto& one : clusters) {
    const std::uint64_t index = one.offset / bytes_per_l1_entry;
    if (layout.l2_indexes.empty() || layout.l2_indexes.back() != index) layout.l2_indexes.push_back(index);
  }
  layout.l2_at = l1_at + layout.l1_clusters * cluster;
  layout.data_at = layout.l2_at + layout.l2_indexes.size() * cluster;
  layout.end = layout.data_at + clusters.size() * cluster;
  return layout;
}

Result<void> write_tables(int fd, const std::string& path, const Layout& layout,
                          const std::vector<OverlayCluster>& clusters) {
  for (std::size_t i = 0; i < layout.l2_indexes.size(); ++i) {
    BigEndian entry;
    entry.u64(copied | (layout.l2_at + i * cluster));
    ANYVISOR_CHECK(write_all_at(fd, entry.bytes(), l1_at + layout.l2_indexes[i] * 8, path));
  }
  std::size_t table = 0;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    while (layout.l2_indexes[table] != clusters[i].offset / bytes_per_l1_entry) ++table;
    const std::uint64_t data_at = layout.data_at + i * cluster;
    BigEndian entry;
    entry.u64(copied | data_at);
    const std::uint64_t slot = clusters[i].offset % bytes_per_l1_entry / cluster;
    ANYVISOR_CHECK(write_all_at(fd, entry.bytes(), layout.l2_at + table * cluster + slot * 8, path));
    ANYVISOR_CHECK(write_all_at(fd, clusters[i].bytes, data_at, path));
  }
  return {};
}

Result<void> fill(int fd, const std::string& path, const OverlaySpec& spec, std::uint64_t size,
                  const std::vector<OverlayCluster>& clusters) {
  const Layout layout = lay_out(size, clusters);
  BigEndian refcount_table, refcounts;
  refcount_table.u64(refcount_block_at);
  for (std::uint64_t used = 0; used < layout.end / cluster; ++used) refcounts.u16(1);
  if (refcounts.size() > cluster)
    return fail(ErrorKind::exhausted, "an overlay with " + std::to_string(clusters.size()) + " clusters is too large");
  // Tables are all zeroes but for what is written: holes.
  if (::ftruncate(fd, static_cast<off_t>(layout.end)) != 0) return fail_errno("cannot write \"" + path + "\"", errno);
  ANYVISOR_CHECK(write_tables(fd, path, layout, clusters));
  ANYVISOR_CHECK(write_all_at(fd, refcounts.bytes(), refcount_block_at, path));
  ANYVISOR_CHECK(write_all_at(fd, refcount_table.bytes(), refcount_table_at, path));
  ANYVISOR_CHECK(write_all_at(fd, make_header(spec, size, layout.l1_entries), 0, path));
  begin_writeback(fd);
  return {};
}

}  // namespace

Result<Fd> write_overlay(const std::string& path, const OverlaySpec& spec,
                         const std::vector<OverlayCluster>& clusters) {
  const std::uint64_t size = (spec.virtual_size + sector - 1) / sector * sector;
  if (size == 0 || size / bytes_per_l1_entry >= most_l1_bytes / 8)
    return fail(ErrorKind::invalid_argument,
                "a qcow2 disk of " + std::to_string(spec.virtual_size) + " bytes cannot be made",
                "the largest has " + std::to_string(most_l1_bytes / 8 * bytes_per_l1_entry >> 40) + " TiB");
  if (spec.backing_file.empty() || spec.backing_file.size() > longest_backing_name ||
      spec.backing_file.find('/') != std::string::npos)
    return fail(ErrorKind::invalid_argument, "\"" + spec.backing_file + "\" is no name of a backing file");
  if (spec.backing_format != "qcow2" && spec.backing_format != "raw")
    return fail(ErrorKind::invalid_argument,
                "a backing file of format \"" + spec.backing_format + "\" is not supported");
  for (std::size_t i = 0; i < clusters.size(); ++i)
    if (clusters[i].bytes.size() != cluster || clusters[i].offset % cluster != 0 || clusters[i].offset >= size ||
        (i > 0 && clusters[i].offset <= clusters[i - 1].offset))
      return fail(ErrorKind::invalid_argument,
                  "the clusters for an overlay are not whole, not in order or beyond its end");
  ANYVISOR_TRY(Fd fd, create_file(path));
  auto filled = fill(fd.get(), path, spec, size, clusters);
  if (!filled) {
    ::unlink(path.c_str());
    return tl::unexpected(std::move(filled).error());
  }
  return fd;
}

}  // namespace anyvisor
