// SPDX-License-Identifier: MIT
// Where on the disk does a file's content stand, and may it be placed by writing there, past the guest's file system?
// Only where it is tried (DESIGN.md, 'When slots are trusted'): an allowlist, and what the file system itself says of
// the file.
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <regex>
#include <sstream>

#include "guest.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::uint64_t sector = 512;

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

std::optional<std::uint64_t> number_in(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) return std::nullopt;
  return number;
}

// The third column of the one line of `filefrag -v -b512` that has a number: "   0:  0..  7:  2048..  2055:  8:
// last,eof".
std::optional<std::uint64_t> first_sector_of(const std::string& extents) {
  std::istringstream lines(extents);
  std::string line;
  while (std::getline(lines, line)) {
    const auto number = line.find(':');
    if (number == std::string::npos || number_in(line.substr(0, number)) != 0) continue;
    const auto logical = line.find(':', number + 1);
    if (logical == std::string::npos) continue;
    return number_in(std::string_view(line).substr(logical + 1));
  }
  return std::nullopt;
}

// For the appliance's shell.
std::string quote(const std::string& word) {
  std::string text = "'";
  for (char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// What stands in no name of a guest's file.
std::string make_mark() {
  std::array<unsigned char, 16> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    throw Failure(ErrorKind::internal, "there are no random numbers");
  std::string mark = "==";
  for (const unsigned char byte : random) mark += std::to_string(byte) + "-";
  return mark;
}

}  // namespace

// The kernel names disks in the order in which it finds them. libguestfs's own calls translate, so that the first is
// always /dev/sda; in what goes through the shell it has to be done here.
std::string Guest::translated(const std::string& text) const {
  if (!disks_swapped_) return text;
  static const std::regex name(R"((/dev/|/block/|\()sd([ab])(?![a-z]))");
  std::string result;
  auto last = text.cbegin();
  for (std::sregex_iterator found(text.begin(), text.end(), name), end; found != end; ++found) {
    result.append(last, (*found)[0].first);
    result += found->str(1) + "sd" + (found->str(2) == "a" ? "b" : "a");
    last = (*found)[0].second;
  }
  return result.append(last, text.cend());
}

// The disk that was added first has the first address on the bus.
void Guest::find_disk_order() {
  disks_swapped_ = false;
  const std::string names =
      appliance_command({"sh", "-c", "ls -d /sys/block/sd[ab]/device/scsi_device/*:0:0:0 2>/dev/null"});
  disks_swapped_ = names.find("/sdb/") != std::string::npos && names.find("/sda/") == std::string::npos;
}

// Runs a program of the appliance. The daemon's debug call is the one way there, by a shell; its output is all there
// is.
std::string Guest::appliance_command(const Command& words) {
  std::vector<std::string> quoted;
  for (const auto& word : words) quoted.push_back(quote(translated(word)));
  std::vector<char*> arguments;
  for (auto& word : quoted) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::unique_ptr<char, decltype(&std::free)> output(guestfs_debug(handle_, "sh", arguments.data()), &std::free);
  return output ? translated(output.get()) : "";
}

// Several at once, each for itself: of one that fails there is nothing. One call of the appliance costs a third of a
// second in emulation, whatever it does.
std::vector<std::string> Guest::appliance_commands(const std::vector<Command>& commands) {
  constexpr std::size_t longest_script = 16384;  // far below what a program may be given
  const std::string mark = make_mark();
  std::string script, said;
  for (const auto& command : commands) {
    script += "said=$(";
    for (const auto& word : command) script += quote(word) + " ";
    script += "2>&1) && printf '%s\\n' \"$said\"; echo " + mark + "\n";
    if (script.size() < longest_script && &command != &commands.back()) continue;
    said += appliance_command({"sh", "-c", script});
    script.clear();
  }
  std::vector<std::string> answers;
  std::size_t begin = 0;
  for (auto end = said.find(mark); end != std::string::npos; end = said.find(mark, begin)) {
    answers.push_back(said.substr(begin, end - begin));
    begin = end + mark.size() + 1;
  }
  // Not all: which is whose cannot be told.
  if (answers.size() != commands.size()) answers.assign(commands.size(), "");
  return answers;
}

const std::vector<std::string>& Guest::partitions() {
  if (!partitions_) partitions_ = list(guestfs_list_partitions);
  return *partitions_;
}

bool Guest::is_plain(const std::string& device) {
  if (!disks_) disks_ = list(guestfs_list_devices);
  const auto is_one_of = [&](const std::vector<std::string>& all) {
    return std::ranges::find(all, device) != all.end();
  };
  return is_one_of(*disks_) || (is_one_of(partitions()) && !device.starts_with("/dev/md"));
}

// A whole disk begins at 0.
std::uint64_t Guest::start_of(const std::string& device) {
  if (starts_.empty()) {
    std::istringstream lines(
        appliance_command({"sh", "-c",
                           "for one in /sys/class/block/*; do start=0; [ ! -e $one/start ] || read start <$one/start; "
                           "read number <$one/dev; echo /dev/${one##*/} $number $start; done"}));
    std::string name, number;
    for (std::uint64_t start = 0; lines >> name >> number >> start;) starts_[name] = starts_[number] = start;
  }
  const auto known = starts_.find(device);
  if (known == starts_.end()) throw Failure(ErrorKind::backend_failed, "where " + device + " begins cannot be told");
  return known->second;
}

// A whole disk, a partition of one, or a logical volume that is linear on such partitions.
const Guest::Ground& Guest::ground_of(const std::string& device) {
  if (const auto known = grounds_.find(device); known != grounds_.end()) return known->second;
  Ground& ground = grounds_[device];
  const auto cannot = [&](const std::string& why) -> const Ground& {
    ground.why_not = why;
    return ground;
  };
  if (is_plain(device)) {
    ground.segments.push_back({0, UINT64_MAX, start_of(device) * sector});
    return ground;
  }
  if (guestfs_is_lv(handle_, device.c_str()) != 1)
    return cannot("its file system stands on " + device + ", which is no plain disk");
  // "1 dependencies  : (sda3)"
  const std::string below = appliance_command({"dmsetup", "deps", "-o", "devname", device});
  int found = 0;
  for (auto at = below.find('('); at != std::string::npos; at = below.find('(', at + 1), ++found)
    if (!is_plain("/dev/" + below.substr(at + 1, below.find(')', at) - at - 1)))
      return cannot("its logical volume stands on more than plain partitions");
  if (found == 0) return cannot("what its logical volume stands on cannot be told");
  // "0 65536 linear 8:3 2048"
  std::istringstream lines(appliance_command({"dmsetup", "table", device}));
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::uint64_t start = 0, length = 0, offset = 0;
    std::string type, where;
    words >> start >> length >> type >> where >> offset;
    if (!words || type != "linear") return cannot("its logical volume is not linear");
    ground.segments.push_back({start * sector, length * sector, (start_of(where) + offset) * sector});
  }
  if (ground.segments.empty()) return cannot("its logical volume cannot be looked into");
  return ground;
}

std::optional<std::uint64_t> Guest::position_of(const std::string& device, std::uint64_t offset, std::size_t length) {
  for (const auto& segment : ground_of(device).segments)
    if (offset >= segment.begin && offset - segment.begin < segment.length)
      return segment.length - (offset - segment.begin) >= length
                 ? std::optional(segment.position + offset - segment.begin)
                 : std::nullopt;
  return std::nullopt;
}

// What ext4 does with all files of a file system; empty: what is tried.
const std::string& Guest::why_not_this_ext4(const std::string& device) {
  if (!ext4_.contains(device)) look_into_ext4({device});
  return ext4_[device];
}

void Guest::look_into_ext4(const std::vector<std::string>& devices) {
  std::vector<Command> commands;
  for (const auto& device : devices) commands.push_back({"dumpe2fs", "-h", device});
  const auto answers = appliance_commands(commands);
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const std::string& about = answers[i];
    std::string& why = ext4_[devices[i]];
    if (has_word(line_after(about, "Filesystem features:"), "inline_data"))
      why = "small files stand inside of inodes there (inline_data)";
    else if (has_word(line_after(about, "Default mount options:"), "journal_data") ||
             line_after(about, "\nMount options:").find("data=journal") != std::string::npos)
      why = "its file system keeps file data in the journal";
    else if (line_after(about, "Filesystem features:").empty())
      why = "its file system cannot be looked into";
  }
}

std::vector<Place> Guest::places_of(const std::vector<std::pair<std::string, std::size_t>>& files) {
  std::vector<std::string> paths;
  std::vector<Command> commands;
  for (const auto& [name, length] : files) {
    // Without links on the way: which file system it is on shows in its name.
    paths.push_back(real_path(name));
    commands.push_back({"lsattr", "-d", "/sysroot" + paths.back()});
    commands.push_back({"filefrag", "-v", "-b512", "/sysroot" + paths.back()});
  }
  const auto answers = appliance_commands(commands);
  std::vector<Place> places;
  for (std::size_t i = 0; i < files.size(); ++i)
    places.push_back(place_of(paths[i], files[i].second, answers[2 * i], answers[2 * i + 1]));
  return places;
}

Place Guest::place_of(const std::string& path, std::size_t length, const std::string& attributes,
                      const std::string& extents) {
  const auto cannot = [](const std::string& why) { return Place{why, 0}; };
  if (path.empty()) return cannot("where it is cannot be told");
  const FileSystem* holder = holder_of(system_, path);
  if (!holder) return cannot("it stands on no file system that is known");
  if (holder->type != "ext4" && holder->type != "xfs")
    return cannot("its file system is " + holder->type + ", and only ext4 and xfs are trusted with it");
  if (const auto& why = ground_of(holder->device).why_not; !why.empty()) return cannot(why);
  if (holder->type == "ext4") {
    if (const auto& why = why_not_this_ext4(holder->device); !why.empty()) return cannot(why);
    if (attributes.substr(0, attributes.find(' ')).find('j') != std::string::npos)
      return cannot("its content is kept in the journal (chattr +j)");
  }
  // One extent, and nothing said of it but that it is the last one.
  if (extents.find("1 extent found") == std::string::npos) return cannot("it is not in one piece");
  for (const char* flag :
       {"inline", "encoded", "encrypted", "shared", "unwritten", "unknown", "delalloc", "not_aligned", "tail"})
    if (extents.find(flag) != std::string::npos) return cannot(std::string("its extent is ") + flag);
  const auto first = first_sector_of(extents);
  if (!first) return cannot("where its extent is cannot be told");
  const auto position = position_of(holder->device, *first * sector, length);
  if (!position) return cannot("its extent is in two places of the disk");
  return {"", *position};
}

std::vector<std::uint64_t> Guest::ext4_superblocks() {
  constexpr std::uint64_t at = 1024;
  std::vector<std::uint64_t> positions;
  for (const auto& mounted : system_.mounted)
    if (mounted.type == "ext4")
      if (const auto position = position_of(mounted.device, at, at)) positions.push_back(*position);
  return positions;
}

}  // namespace anyvisor::identity
