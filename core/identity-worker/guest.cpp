// SPDX-License-Identifier: MIT
#include "guest.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <sstream>

namespace anyvisor::identity {
namespace {

struct FreeStrings {
  void operator()(char** strings) const {
    for (char** next = strings; next && *next; ++next) std::free(*next);
    std::free(strings);
  }
};
using Strings = std::unique_ptr<char*, FreeStrings>;
using Text = std::unique_ptr<char, decltype(&std::free)>;

std::vector<std::string> list_of(const Strings& strings) {
  std::vector<std::string> list;
  for (char** next = strings.get(); next && *next; ++next) list.emplace_back(*next);
  return list;
}

// Pairs as libguestfs hands out a map: name, value, name, value.
std::vector<std::pair<std::string, std::string>> pairs_of(const Strings& strings) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (char** next = strings.get(); next && next[0] && next[1]; next += 2) pairs.emplace_back(next[0], next[1]);
  return pairs;
}

constexpr std::size_t erase_limit = 1u << 20;   // no secret is larger
constexpr const char* whole_disk = "/dev/sda";  // the only one that the appliance is given

// Folders of which some unit knows a file.
bool may_hold_identity(const std::string& mount_point) {
  return std::ranges::any_of(std::array{"/etc", "/var", "/boot", "/efi"}, [&](const std::string& folder) {
    return mount_point == folder || mount_point.starts_with(folder + "/");
  });
}

}  // namespace

Guest::Guest(const std::string& disk, const std::string& format, bool emulate)
    : disk_(disk), format_(format), emulate_(emulate) {
  constexpr int usual = 512, large = 4096;
  launch(usual);
  if (has_larger_sectors()) launch(large);
}

void Guest::launch(int sector) {
  if (handle_) guestfs_close(handle_);
  handle_ = guestfs_create_flags(0);
  if (!handle_) throw Failure(ErrorKind::unavailable, "libguestfs cannot be used");
  guestfs_set_error_handler(handle_, nullptr, nullptr);
  guestfs_set_autosync(handle_, 1);
  // Not through libvirt, and not on an accelerator that does not work here: the caller knows.
  if (guestfs_set_backend(handle_, "direct") != 0) fail_call("choosing how the appliance runs");
  if (emulate_ && guestfs_set_backend_setting(handle_, "force_tcg", "1") != 0) fail_call("choosing software emulation");
  guestfs_set_network(handle_, 0);
  guestfs_set_smp(handle_, 2);
  if (guestfs_add_drive_opts(handle_, disk_.c_str(), GUESTFS_ADD_DRIVE_OPTS_FORMAT, format_.c_str(),
                             GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe", GUESTFS_ADD_DRIVE_OPTS_BLOCKSIZE, sector,
                             -1) != 0)
    fail_call("adding the disk");
  if (guestfs_launch(handle_) != 0) {
    const char* why = guestfs_last_error(handle_);
    throw Failure(ErrorKind::unavailable, std::string("libguestfs cannot start its appliance: ") + (why ? why : "?"),
                  "run 'libguestfs-test-tool', which says what is missing");
  }
}

// A partition table that was written for sectors of 4096 bytes stands in the second of them, and is not seen otherwise.
bool Guest::has_larger_sectors() {
  constexpr std::uint64_t large = 4096;
  const std::string mark = "EFI PART";
  return list(guestfs_list_partitions).empty() && read_disk(large, mark.size()) == mark;
}

Guest::~Guest() {
  if (handle_) guestfs_close(handle_);
}

void Guest::fail_call(const std::string& what) {
  const char* why = guestfs_last_error(handle_);
  throw Failure(ErrorKind::backend_failed, what + " failed: " + (why ? why : "no reason given"));
}

// The appliance's own start leaves out volume groups of which it does not see the events.
void Guest::activate_volumes() {
  if (std::ranges::none_of(contents(), [](const auto& content) { return content.second == "LVM2_member"; })) return;
  appliance_command({"lvm", "vgchange", "-ay"});
  appliance_command({"udevadm", "settle"});
  contents_.clear();
}

const System& Guest::mount() {
  activate_volumes();
  refuse_encrypted();
  const Strings roots(guestfs_inspect_os(handle_));
  if (!roots) fail_call("looking for the operating system");
  const auto found = list_of(roots);
  if (found.empty())
    throw Failure(ErrorKind::unsupported, "there is no operating system on the disk that libguestfs knows");
  if (found.size() > 1)
    throw Failure(ErrorKind::unsupported,
                  "there are " + std::to_string(found.size()) + " operating systems on the disk");
  const std::string& root = found.front();
  auto text = [&](char* (*ask)(guestfs_h*, const char*)) {
    const Text answer(ask(handle_, root.c_str()), &std::free);
    return answer ? std::string(answer.get()) : std::string();
  };
  system_.root_device = root;
  system_.type = text(guestfs_inspect_get_type);
  system_.distribution = text(guestfs_inspect_get_distro);
  system_.product = text(guestfs_inspect_get_product_name);
  if (system_.type != "linux")
    throw Failure(ErrorKind::unsupported, "it is a guest of type \"" + system_.type + "\": only Linux is supported");

  const Strings points(guestfs_inspect_get_mountpoints(handle_, root.c_str()));
  if (!points) fail_call("reading the guest's fstab");
  auto mounts = pairs_of(points);
  // Parents before children.
  std::ranges::sort(mounts, {}, [](const auto& mount) { return mount.first.size(); });
  for (const auto& [point, device] : mounts) {
    if (guestfs_mount_options(handle_, "", device.c_str(), point.c_str()) != 0) {
      if (point == "/") fail_call("mounting the guest's root file system");
      // A line of fstab that names what is not there: the guest does without it as well.
      if (!may_hold_identity(point) || !(contents().contains(device) || is_plain(device))) continue;
      const char* why = guestfs_last_error(handle_);
      throw Failure(ErrorKind::unsupported,
                    "the guest's " + point + " (" + device + ") cannot be mounted: " + (why ? why : "no reason given"));
    }
    const Text type(guestfs_vfs_type(handle_, device.c_str()), &std::free);
    system_.mounted.push_back({device, type ? type.get() : "", point});
  }
  refuse_hibernated();
  return system_;
}

void Guest::mount_again_to_read() {
  for (const auto& mounted : system_.mounted)
    if (guestfs_mount_options(handle_, "ro", mounted.device.c_str(), mounted.mount_point.c_str()) != 0)
      fail_call("mounting " + mounted.mount_point + " once more");
}

void Guest::unmount() {
  if (guestfs_umount_all(handle_) != 0) fail_call("unmounting the guest's file systems");
  constexpr int everything = 3;
  if (guestfs_sync(handle_) != 0 || guestfs_drop_caches(handle_, everything) != 0) fail_call("flushing the disk");
}

void Guest::close() {
  if (guestfs_shutdown(handle_) != 0) fail_call("shutting the appliance down");
}

std::string Guest::read_disk(std::uint64_t position, std::size_t length) {
  std::size_t size = 0;
  const Text bytes(
      guestfs_pread_device(handle_, whole_disk, static_cast<int>(length), static_cast<std::int64_t>(position), &size),
      &std::free);
  return bytes ? std::string(bytes.get(), size) : std::string();
}

// By one command for all: the library's own call waits a second for udev after each.
void Guest::write_disk(const std::map<std::uint64_t, std::string>& texts) {
  std::string script;
  for (const auto& [position, text] : texts)
    script += "printf %s \"" + text + "\" | dd of=" + whole_disk +
              " oflag=seek_bytes conv=notrunc,fsync status=none seek=" + std::to_string(position) + " && ";
  script += "udevadm settle && echo written";
  if (appliance_command({"sh", "-c", script}).find("written") == std::string::npos)
    throw Failure(ErrorKind::backend_failed, "writing to the guest's disk failed");
}

// One command: to ask the library for the file systems takes many, and seconds in emulation.
const std::map<std::string, std::string>& Guest::contents() {
  if (!contents_.empty()) return contents_;
  // /dev/sda1: LABEL="root" UUID="..." TYPE="ext4"
  std::istringstream lines(appliance_command({"blkid", "-c", "/dev/null"}));
  for (std::string line; std::getline(lines, line);) {
    const std::string label = " TYPE=\"";
    const auto at = line.find(label), colon = line.find(": ");
    if (at == std::string::npos || colon == std::string::npos) continue;
    const auto begin = at + label.size();
    contents_[line.substr(0, colon)] = line.substr(begin, line.find('"', begin) - begin);
  }
  return contents_;
}

std::vector<std::string> Guest::list(char** (*ask)(guestfs_h*)) {
  const Strings answer(ask(handle_));
  return list_of(answer);
}

bool Guest::is_file(const std::string& path) {
  return guestfs_is_file_opts(handle_, path.c_str(), GUESTFS_IS_FILE_OPTS_FOLLOWSYMLINKS, 0, -1) == 1;
}

bool Guest::is_folder(const std::string& path) {
  return guestfs_is_dir_opts(handle_, path.c_str(), GUESTFS_IS_DIR_OPTS_FOLLOWSYMLINKS, 0, -1) == 1;
}

bool Guest::exists(const std::string& path) {
  auto* status = guestfs_lstatns(handle_, path.c_str());
  if (status) guestfs_free_statns(status);
  return status != nullptr;
}

std::vector<std::string> Guest::glob(const std::string& pattern) {
  const Strings found(
      guestfs_glob_expand_opts(handle_, pattern.c_str(), GUESTFS_GLOB_EXPAND_OPTS_DIRECTORYSLASH, 0, -1));
  if (!found) fail_call("looking for " + pattern);
  return list_of(found);
}

std::string Guest::read(const std::string& path, std::size_t limit) {
  const auto size = guestfs_filesize(handle_, path.c_str());
  if (size < 0) fail_call("reading " + path);
  if (size == 0 || static_cast<std::uint64_t>(size) > limit) return {};
  std::size_t length = 0;
  const Text content(guestfs_read_file(handle_, path.c_str(), &length), &std::free);
  if (!content) fail_call("reading " + path);
  return {content.get(), length};
}

void Guest::erase_in_place(const std::string& path) {
  const auto size = guestfs_filesize(handle_, path.c_str());
  if (size <= 0 || static_cast<std::uint64_t>(size) > erase_limit) return;
  const std::string zeroes(static_cast<std::size_t>(size), '\0');
  for (std::size_t done = 0; done < zeroes.size();) {
    const int written = guestfs_pwrite(handle_, path.c_str(), zeroes.data() + done, zeroes.size() - done,
                                       static_cast<std::int64_t>(done));
    if (written <= 0) fail_call("overwriting " + path);
    done += static_cast<std::size_t>(written);
  }
}

void Guest::overwrite(const std::string& path, const std::string& content) {
  erase_in_place(path);
  flush();  // on the disk before anything takes its place
  if (guestfs_write(handle_, path.c_str(), content.data(), content.size()) != 0) fail_call("writing " + path);
}

void Guest::create(const std::string& path, const std::string& content) {
  if (guestfs_write(handle_, path.c_str(), content.data(), content.size()) != 0) fail_call("writing " + path);
  constexpr int mode = 0644;
  if (guestfs_chmod(handle_, mode, path.c_str()) != 0) fail_call("changing the mode of " + path);
}

void Guest::remove(const std::string& path) {
  if (is_file(path)) erase_in_place(path);
  if (is_folder(path)) {
    const Strings inside(guestfs_find(handle_, path.c_str()));
    if (!inside) fail_call("looking into " + path);
    for (const auto& name : list_of(inside))
      if (is_file(path + "/" + name)) erase_in_place(path + "/" + name);
  }
  flush();
  if (guestfs_rm_rf(handle_, path.c_str()) != 0) fail_call("removing " + path);
}

void Guest::flush() {
  if (guestfs_sync(handle_) != 0) fail_call("flushing the guest's file systems");
}

}  // namespace anyvisor::identity
