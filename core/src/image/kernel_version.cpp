// SPDX-License-Identifier: MIT
#include "image/kernel_version.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "storage/fd.hpp"

namespace anyvisor {
namespace {

// Documentation/arch/x86/boot.rst: the magic "HdrS" at 0x202; at 0x20e the offset of the version's text, less 0x200.
constexpr off_t magic_offset = 0x202, version_pointer_offset = 0x20e, setup_offset = 0x200;
constexpr std::size_t longest_version = 128;

template <std::size_t N>
bool read_at(const Fd& file, off_t offset, std::array<char, N>& bytes) {
  return pread(file.get(), bytes.data(), N, offset) == static_cast<ssize_t>(N);
}

}  // namespace

std::string kernel_version(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4> magic{};
  std::array<char, 2> pointer{};
  std::array<char, longest_version> text{};
  if (!file || !read_at(file, magic_offset, magic) || std::memcmp(magic.data(), "HdrS", 4) != 0) return {};
  if (!read_at(file, version_pointer_offset, pointer)) return {};
  off_t offset = static_cast<unsigned char>(pointer[0]) | static_cast<unsigned char>(pointer[1]) << 8;
  if (offset == 0 || !read_at(file, setup_offset + offset, text)) return {};
  std::size_t length = 0;
  while (length < text.size() && text[length] > ' ' && text[length] < 0x7f) ++length;
  return {text.data(), length};
}

}  // namespace anyvisor
