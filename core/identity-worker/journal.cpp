// SPDX-License-Identifier: MIT
// Where ext4 keeps file data in its journal, the source's secrets stand there as well. The journal is empty after a
// clean unmount: what its blocks still hold is nobody's, and is overwritten.
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

}  // namespace

void Guest::wipe_journal(const std::string& device) {
  const std::string about = appliance_command({"dumpe2fs", "-h", device});
  const auto number_after = [&](const std::string& label) -> std::uint64_t {
    const auto at = about.find(label);
    return at == std::string::npos ? 0 : std::strtoull(about.c_str() + at + label.size(), nullptr, 10);
  };
  const auto inode = number_after("Journal inode:"), size = number_after("Block size:");
  // None of its own; or one that is still to be replayed, which closing will report.
  if (inode == 0 || size == 0 || about.find("needs_recovery") != std::string::npos) return;
  const std::string map = appliance_command({"debugfs", "-R", "stat <" + std::to_string(inode) + ">", device});
  const auto at = std::min(map.find("EXTENTS:"), map.find("BLOCKS:"));
  if (at == std::string::npos)
    throw Failure(ErrorKind::backend_failed, "where the journal of " + device + " is cannot be told");
  for (auto blocks : read_blocks(map.substr(at))) {
    if (blocks.in_file == 0) {  // the journal's own superblock
      ++blocks.on_disk;
      --blocks.count;
    }
    if (blocks.count == 0) continue;
    const std::string done =
        appliance_command({"sh", "-c",
                           "blkdiscard -z -o " + std::to_string(blocks.on_disk * size) + " -l " +
                               std::to_string(blocks.count * size) + " " + device + " && echo done"});
    if (done.find("done") == std::string::npos)
      throw Failure(ErrorKind::backend_failed, "overwriting the journal of " + device + " failed");
  }
}

}  // namespace anyvisor::identity
