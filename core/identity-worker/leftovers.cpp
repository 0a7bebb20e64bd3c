// SPDX-License-Identifier: MIT
// What the source has left of its secrets where no file is: in free blocks (a program that writes a new file and
// renames it frees the old one's) and, where ext4 keeps file data in its journal, there. Nobody's any more, and
// overwritten.
#include <algorithm>
#include <sstream>

#include "guest.hpp"

namespace anyvisor::identity {
namespace {

struct Blocks {
  std::uint64_t in_file = 0, on_disk = 0, count = 0;
};

// debugfs's "(0-4095):1234-5329, (ETB0):99, (4096):6000": data blocks, without those that say where they are.
std::vector<Blocks> read_blocks(const std::string& text) {
  std::vector<Blocks> blocks;
  for (auto at = text.find('('); at != std::string::npos; at = text.find('(', at + 1)) {
    std::uint64_t first = 0, last = 0, begin = 0;
    char c = 0;
    std::istringstream words(text.substr(at + 1, text.find(',', at) - at - 1));
    if (!(words >> first)) continue;
    last = first;
    if (words.peek() == '-' && !(words >> c >> last)) continue;
    if (!(words >> c) || c != ')' || !(words >> c) || c != ':' || !(words >> begin) || last < first) continue;
    blocks.push_back({first, begin, last - first + 1});
  }
  return blocks;
}

// dumpe2fs's "  Free blocks: 1234-5678, 7000", group by group, in ascending order.
std::vector<Range> free_ranges(const std::string& text, std::uint64_t block) {
  std::vector<Range> ranges;
  const std::string label = "\n  Free blocks: ";
  for (auto at = text.find(label); at != std::string::npos; at = text.find(label, at)) {
    at += label.size();
    std::istringstream words(text.substr(at, text.find('\n', at) - at));
    for (std::string word; std::getline(words, word, ',');) {
      char* end = nullptr;
      const std::uint64_t first = std::strtoull(word.c_str(), &end, 10);
      const std::uint64_t last = *end == '-' ? std::strtoull(end + 1, nullptr, 10) : first;
      if (end != word.c_str() && last >= first) ranges.push_back({first * block, (last - first + 1) * block});
    }
    --at;
  }
  return ranges;
}

std::uint64_t number_after(const std::string& text, const std::string& label) {
  const auto at = text.find(label);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + label.size(), nullptr, 10);
}

}  // namespace

void Guest::wipe_leftovers() {
  for (const auto& mounted : system_.mounted) {
    if (mounted.type != "ext4") continue;
    if (!why_not_this_ext4(mounted.device).empty()) wipe_journal(mounted.device);
    if (!written_.empty() && ground_of(mounted.device).why_not.empty()) wipe_free_blocks(mounted.device);
  }
}

// Where the disk was written since it was an image: what nobody wrote holds no secret, and to look at all of a disk
// would take as long as it is large.
void Guest::wipe_free_blocks(const std::string& device) {
  const std::string about = appliance_command({"dumpe2fs", device});
  const auto block = number_after(about, "Block size:");
  if (block == 0) throw Failure(ErrorKind::backend_failed, "the free blocks of " + device + " cannot be told");
  const auto free = free_ranges(about, block);
  std::vector<Range> wiped;
  for (const auto& segment : ground_of(device).segments)
    for (const auto& written : written_) {
      // As places on the device.
      if (written.position + written.length <= segment.position) continue;
      const std::uint64_t cut = segment.position > written.position ? segment.position - written.position : 0;
      const std::uint64_t inside = written.position + cut - segment.position;
      if (inside >= segment.length) continue;
      const std::uint64_t begin = segment.begin + inside;
      const std::uint64_t end = begin + std::min(written.length - cut, segment.length - inside);
      auto next =
          std::ranges::upper_bound(free, begin, {}, [](const Range& range) { return range.position + range.length; });
      for (; next != free.end() && next->position < end; ++next) {
        const std::uint64_t first = std::max(begin, next->position);
        wiped.push_back({first, std::min(end, next->position + next->length) - first});
      }
    }
  write_zeroes(device, wiped);
}

void Guest::write_zeroes(const std::string& device, const std::vector<Range>& ranges) {
  constexpr std::size_t at_once = 1000;  // a command has its longest length
  for (std::size_t done = 0; done < ranges.size(); done += at_once) {
    std::string script;
    for (auto next = done; next < std::min(done + at_once, ranges.size()); ++next)
      script += "blkdiscard -z -o " + std::to_string(ranges[next].position) + " -l " +
                std::to_string(ranges[next].length) + " " + device + " && ";
    if (appliance_command({"sh", "-c", script + "udevadm settle && echo written"}).find("written") == std::string::npos)
      throw Failure(ErrorKind::backend_failed, "overwriting what the source left on " + device + " failed");
  }
}

void Guest::wipe_journal(const std::string& device) {
  const std::string about = appliance_command({"dumpe2fs", "-h", device});
  const auto inode = number_after(about, "Journal inode:"), size = number_after(about, "Block size:");
  // None of its own; or one that is still to be replayed, which closing will report.
  if (inode == 0 || size == 0 || about.find("needs_recovery") != std::string::npos) return;
  const std::string map = appliance_command({"debugfs", "-R", "stat <" + std::to_string(inode) + ">", device});
  const auto at = std::min(map.find("EXTENTS:"), map.find("BLOCKS:"));
  if (at == std::string::npos)
    throw Failure(ErrorKind::backend_failed, "where the journal of " + device + " is cannot be told");
  std::vector<Range> ranges;
  for (auto blocks : read_blocks(map.substr(at))) {
    const std::uint64_t kept = blocks.in_file == 0 ? 1 : 0;  // the journal's own superblock
    if (blocks.count > kept) ranges.push_back({(blocks.on_disk + kept) * size, (blocks.count - kept) * size});
  }
  write_zeroes(device, ranges);
}

}  // namespace anyvisor::identity
