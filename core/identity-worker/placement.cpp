// SPDX-License-Identifier: MIT
// May a file's content be placed by writing its bytes on the disk, past the guest's file system? Only where it is tried
// (DESIGN.md, 'When slots are trusted'): an allowlist, and what the file system itself says of the file.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "guest.hpp"

namespace anyvisor::identity {
namespace {

// The file system that holds `path`: the mount point that is its longest prefix.
const FileSystem* holder_of(const System& system, const std::string& path) {
  const FileSystem* best = nullptr;
  for (const auto& mounted : system.mounted) {
    const std::string prefix = mounted.mount_point == "/" ? "/" : mounted.mount_point + "/";
    if (path.starts_with(prefix) && (!best || mounted.mount_point.size() >= best->mount_point.size())) best = &mounted;
  }
  return best;
}

// Between "device_type:" and the end of its line.
std::string line_after(const std::string& text, const std::string& label) {
  auto at = text.find(label);
  if (at == std::string::npos) return {};
  at += label.size();
  return text.substr(at, text.find('\n', at) - at);
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  std::string next;
  while (words >> next)
    if (next == word) return true;
  return false;
}

}  // namespace

// Runs a program of the appliance. The daemon's debug call is the one way there; its output is all there is.
std::string Guest::sysroot_command(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::unique_ptr<char, decltype(&std::free)> output(guestfs_debug(handle_, "sh", arguments.data()), &std::free);
  return output ? output.get() : "";
}

// A whole disk, a partition of one, or a logical volume that is linear on such partitions.
std::string Guest::why_not_plain(const std::string& device) {
  const auto is_plain = [this](const std::string& name) {
    return std::ranges::any_of(list(guestfs_list_devices), [&](const auto& disk) { return disk == name; }) ||
           std::ranges::any_of(list(guestfs_list_partitions), [&](const auto& partition) {
             return partition == name && !name.starts_with("/dev/md");
           });
  };
  if (is_plain(device)) return {};
  if (guestfs_is_lv(handle_, device.c_str()) != 1)
    return "its file system stands on " + device + ", which is no plain disk";
  std::istringstream segments(sysroot_command({"dmsetup", "table", device}));
  std::string line;
  int count = 0;
  for (; std::getline(segments, line); ++count)
    if (!has_word(line, "linear")) return "its logical volume is not linear";
  if (count == 0) return "its logical volume cannot be looked into";
  // "1 dependencies  : (sda3)"
  const std::string below = sysroot_command({"dmsetup", "deps", "-o", "devname", device});
  int found = 0;
  for (auto at = below.find('('); at != std::string::npos; at = below.find('(', at + 1), ++found)
    if (!is_plain("/dev/" + below.substr(at + 1, below.find(')', at) - at - 1)))
      return "its logical volume stands on more than plain partitions";
  return found > 0 ? "" : "what its logical volume stands on cannot be told";
}

std::string Guest::why_not_in_one_place(const std::string& path) {
  const FileSystem* holder = holder_of(system_, path);
  if (!holder) return path + " stands on no file system that is known";
  if (holder->type != "ext4" && holder->type != "xfs")
    return "its file system is " + holder->type + ", and only ext4 and xfs are trusted with it";

  if (std::string why = why_not_plain(holder->device); !why.empty()) return why;

  if (holder->type == "ext4") {
    const std::string features = sysroot_command({"dumpe2fs", "-h", holder->device});
    if (has_word(line_after(features, "Filesystem features:"), "inline_data"))
      return "small files stand inside of inodes there (inline_data)";
    if (line_after(features, "Default mount options:").find("journal_data") != std::string::npos &&
        !has_word(line_after(features, "Default mount options:"), "journal_data_ordered") &&
        !has_word(line_after(features, "Default mount options:"), "journal_data_writeback"))
      return "its file system keeps file data in the journal";
    const std::string attributes = sysroot_command({"lsattr", "-d", "/sysroot" + path});
    if (attributes.substr(0, attributes.find(' ')).find('j') != std::string::npos)
      return "its content is kept in the journal (chattr +j)";
  }
  // One extent, and nothing said of it but that it is the last one.
  const std::string extents = sysroot_command({"filefrag", "-v", "/sysroot" + path});
  if (extents.find("1 extent found") == std::string::npos) return "it is not in one piece";
  for (const char* flag :
       {"inline", "encoded", "encrypted", "shared", "unwritten", "unknown", "delalloc", "not_aligned"})
    if (extents.find(flag) != std::string::npos) return std::string("its extent is ") + flag;
  return {};
}

}  // namespace anyvisor::identity
