// SPDX-License-Identifier: MIT
#include "disk_chain.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <anyvisor/plugin.hpp>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

using sdk::Failure;

// Of qcow2's header, big endian (docs/interop/qcow2 of QEMU).
constexpr std::size_t header_size = 104;
constexpr std::size_t version_at = 4, backing_offset_at = 8, backing_size_at = 16, incompatible_at = 72;
constexpr std::size_t longest_backing_name = 1023;
constexpr std::uint64_t external_data = 4;

template <std::size_t Bytes>
std::uint64_t number_at(const std::array<unsigned char, header_size>& header, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < Bytes; ++i) number = number << 8 | header[at + i];
  return number;
}

Failure corrupted(const std::string& path, const std::string& why) {
  return {ANYVISOR_CORRUPTED, path + " cannot be used: " + why};
}

bool same_file(const std::string& one, const std::string& other) {
  struct stat first {
  }, second{};
  return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

std::string in_folder_of(const std::string& path, const std::string& name) {
  return name.starts_with('/') ? name : path.substr(0, path.rfind('/') + 1) + name;
}

Failure too_old(const Disk& disk, const std::string& what, Version version, const char* needed) {
  return Failure(ANYVISOR_UNSUPPORTED, what + " (disk '" + disk.id + "'): that needs Cloud Hypervisor " + needed +
                                           ", and this is " + to_string(version))
      .field(disk.field)
      .hint("install a newer release of Cloud Hypervisor");
}

}  // namespace

std::optional<std::string> backing_name(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) throw Failure(ANYVISOR_NOT_FOUND, "cannot open " + path + ": " + std::strerror(errno));
  std::array<unsigned char, header_size> header{};
  const ssize_t got = ::pread(file.get(), header.data(), header.size(), 0);
  constexpr std::size_t version_2_size = 72;
  if (got < static_cast<ssize_t>(version_2_size) || std::memcmp(header.data(), "QFI\xfb", 4) != 0)
    throw corrupted(path, "it is no qcow2 file");
  const auto version = number_at<4>(header, version_at);
  if (version != 2 && version != 3) throw corrupted(path, "it is qcow2 of version " + std::to_string(version));
  if (version == 3 && (number_at<8>(header, incompatible_at) & external_data) != 0)
    throw corrupted(path, "it keeps its data in another file");
  const auto offset = number_at<8>(header, backing_offset_at);
  const auto size = number_at<4>(header, backing_size_at);
  if (offset == 0) return std::nullopt;
  if (size == 0 || size > longest_backing_name) throw corrupted(path, "the name of its backing file is malformed");
  std::string name(size, '\0');
  if (::pread(file.get(), name.data(), name.size(), static_cast<off_t>(offset)) != static_cast<ssize_t>(name.size()) ||
      name.find('\0') != std::string::npos)
    throw corrupted(path, "the name of its backing file cannot be read");
  return name;
}

void require_chain(const Disk& disk, Version version) {
  const Abilities can = abilities_of(version);
  const auto& chain = disk.chain;
  // Where the format is guessed from the content, what a guest writes to a raw disk decides what it is next time.
  if (chain.front().format == "raw" && !disk.read_only && !can.named_image_types)
    throw too_old(disk, "a raw disk that the guest writes to", version, "v51");
  if (chain.size() > deepest_chain + 1)
    throw Failure(ANYVISOR_UNSUPPORTED, "disk '" + disk.id + "' stands on " + std::to_string(chain.size() - 1) +
                                            " others, and Cloud Hypervisor takes at most " +
                                            std::to_string(deepest_chain))
        .field(disk.field + "/chain")
        .hint("merge them: anyvisor compact");
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (chain[i].format != "qcow2") continue;
    const std::string field = disk.field + "/chain/" + std::to_string(i);
    const auto name = backing_name(chain[i].path);
    if (!name && i + 1 == chain.size()) continue;
    if (!name)
      throw Failure(ANYVISOR_INVALID_ARGUMENT, chain[i].path + " names no backing file, and its chain goes on")
          .field(field);
    if (i + 1 == chain.size() || !same_file(in_folder_of(chain[i].path, *name), chain[i + 1].path))
      throw Failure(ANYVISOR_INVALID_ARGUMENT,
                    chain[i].path + " names a backing file that is not the next of its chain: " + *name)
          .field(field);
    if (!name->starts_with('/') && !can.relative_backing_names)
      throw too_old(disk, "a disk with a backing file named relative to it", version, "v53");
  }
}

}  // namespace anyvisor::cloud_hypervisor
