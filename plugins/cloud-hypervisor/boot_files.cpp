// SPDX-License-Identifier: MIT
#include "boot_files.hpp"

#include <fcntl.h>

#include <anyvisor/plugin.hpp>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {

void require_kernel(const std::string& path) {
  constexpr std::size_t header_size = 0x206;  // up to the end of a bzImage's magic
  constexpr std::size_t magic_at = 0x202, class_at = 4;
  constexpr char elf64 = 2;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, header_size> header{};
  const ssize_t got = file ? ::pread(file.get(), header.data(), header.size(), 0) : -1;
  if (got < 0)
    throw sdk::Failure(ANYVISOR_NOT_FOUND, "the kernel cannot be read: " + path + ": " + std::strerror(errno))
        .field("/boot/kernel");
  const std::string_view text(header.data(), static_cast<std::size_t>(got));
  if (text.size() > class_at && text.starts_with("\177ELF") && text[class_at] == elf64) return;
  if (text.size() == header_size && text.substr(magic_at) == "HdrS") return;
  throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "this is no kernel that Cloud Hypervisor loads: " + path)
      .field("/boot/kernel")
      .hint("give a bzImage, or a 64-bit ELF file with a PVH note");
}

}  // namespace anyvisor::cloud_hypervisor
