// SPDX-License-Identifier: MIT
#include "guest.hpp"

#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "guestfs_owned.hpp"

namespace anyvisor::identity {
namespace {

constexpr const char* whole_disk = "/dev/sda";  // the only one that the appliance is given

// Without what is on these, a system's identity would be rewritten by half.
bool has_to_be_there(const std::string& mount_point) {
  return mount_point == "/etc" || mount_point == "/var" || mount_point == "/var/lib";
}

}  // namespace

Guest::Guest(const std::string& disk, const std::string& format, std::vector<Range> written, bool emulate,
             const std::string& scratch, const std::string& monitor)
    : disk_(disk),
      format_(format),
      scratch_(scratch),
      monitor_(monitor),
      written_(std::move(written)),
      emulate_(emulate) {
  constexpr int usual = 512, large = 4096;
  launch(usual);
  if (has_larger_sectors()) launch(large);
}

void Guest::launch(int sector) {
  if (handle_) guestfs_close(handle_);
  partitions_.reset();
  handle_ = guestfs_create_flags(0);
  if (!handle_) throw Failure(ErrorKind::unavailable, "libguestfs cannot be used");
  guestfs_set_error_handler(handle_, nullptr, nullptr);
  guestfs_set_autosync(handle_, 1);
  // Not through libvirt, and not on an accelerator that does not work here: the caller knows.
  if (guestfs_set_backend(handle_, "direct") != 0) fail_call("choosing how the appliance runs");
  if (emulate_ && guestfs_set_backend_setting(handle_, "force_tcg", "1") != 0) fail_call("choosing software emulation");
  if (!scratch_.empty()) {
    if (guestfs_set_tmpdir(handle_, scratch_.c_str()) != 0) fail_call("choosing the folder for temporary files");
    // The appliance that libguestfs has made of this host is the same for all: it does not go with TMPDIR.
    if (::access("/var/tmp", W_OK) == 0) guestfs_set_cachedir(handle_, "/var/tmp");
  }
  // A write that fails stops the appliance, whatever the reason: the guest's kernel would lose it without a word.
  if (guestfs_config(handle_, "-global", "scsi-hd.werror=stop") != 0) fail_call("choosing what a failed write does");
  if (!monitor_.empty() &&
      (guestfs_config(handle_, "-chardev", ("socket,id=watch,server=on,wait=off,path=" + monitor_).c_str()) != 0 ||
       guestfs_config(handle_, "-mon", "chardev=watch,mode=control") != 0))
    fail_call("adding a monitor");
  guestfs_set_network(handle_, 0);
  if (guestfs_add_drive_opts(handle_, disk_.c_str(), GUESTFS_ADD_DRIVE_OPTS_FORMAT, format_.c_str(),
                             GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe", GUESTFS_ADD_DRIVE_OPTS_BLOCKSIZE, sector,
                             -1) != 0)
    fail_call("adding the disk");
  if (guestfs_launch(handle_) != 0) {
    const char* why = guestfs_last_error(handle_);
    throw Failure(ErrorKind::unavailable, std::string("libguestfs cannot start its appliance: ") + (why ? why : "?"),
                  "run 'libguestfs-test-tool', which says what is missing");
  }
  find_disk_order();
}

// A partition table that was written for sectors of 4096 bytes stands in the second of them, and is not seen otherwise.
bool Guest::has_larger_sectors() {
  constexpr std::uint64_t large = 4096;
  const std::string mark = "EFI PART";
  return partitions().empty() && read_disk(large, mark.size()) == mark;
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
  if (std::ranges::any_of(contents(), [](const auto& content) { return content.second == "LVM2_member"; })) {
    appliance_command({"lvm", "vgchange", "-ay"});
    appliance_command({"udevadm", "settle"});
    contents_.clear();
  }
  // All devices are there. The library's calls open them for writing and wait until udev has looked at them once more:
  // half of a rewrite's time in emulation. Without it they do not wait.
  appliance_command({"udevadm", "control", "--exit"});
}

const System& Guest::mount() {
  activate_volumes();
  refuse_encrypted();
  const Strings roots(guestfs_inspect_os(handle_));
  if (!roots) {
    const char* why = guestfs_last_error(handle_);
    throw Failure(ErrorKind::unsupported,
                  std::string("which operating system is on the disk cannot be told: ") + (why ? why : "?"));
  }
  const auto found = list_of(roots);
  if (found.empty())
    throw Failure(ErrorKind::unsupported, "there is no operating system on the disk that libguestfs knows");
  if (found.size() > 1)
    throw Failure(ErrorKind::unsupported,
                  "there are " + std::to_string(found.size()) + " operating systems on the disk");
  const std::string& root = found.front();
  auto text = [&](char* (*ask)(guestfs_h*, const char*)) {
    const Text answer(ask(handle_, root.c_str()));
    return answer ? std::string(answer.get()) : std::string();
  };
  system_.root_device = root;
  system_.type = text(guestfs_inspect_get_type);
  system_.distribution = text(guestfs_inspect_get_distro);
  system_.product = text(guestfs_inspect_get_product_name);
  if (system_.type != "linux")
    throw Failure(ErrorKind::unsupported, "it is a guest of type \"" + system_.type + "\": only Linux is supported");

  mount_systems(root);
  mount_boot_partition();
  check_fstab();
  refuse_hibernated();
  return system_;
}

void Guest::mount_systems(const std::string& root) {
  const Strings points(guestfs_inspect_get_mountpoints(handle_, root.c_str()));
  if (!points) fail_call("reading the guest's fstab");
  auto mounts = pairs_of(points);
  // Parents before children.
  std::ranges::sort(mounts, {}, [](const auto& mount) { return mount.first.size(); });
  std::vector<std::string> types, ext4;
  for (const auto& [point, device] : mounts) {
    const auto known = contents().find(device);
    const Text type(known == contents().end() ? guestfs_vfs_type(handle_, device.c_str()) : nullptr);
    types.push_back(type ? type.get() : known == contents().end() ? "" : known->second);
    if (types.back() == "ext4") ext4.push_back(device);
  }
  // Asked before the mount: once mounted, the superblock's checksum is now and then behind its content.
  look_into_ext4(ext4);
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const auto& [point, device] = mounts[i];
    // A link on the way would be followed in the appliance's root.
    const std::string real = point == "/" ? point : real_path(point);
    if (real.empty() || guestfs_mount_options(handle_, "", device.c_str(), real.c_str()) != 0) {
      if (point == "/") fail_call("mounting the guest's root file system");
      // A line of fstab that names what is not there: the guest does without it as well.
      if (!may_hold_identity(point) || !(contents().contains(device) || is_plain(device))) continue;
      const char* why = guestfs_last_error(handle_);
      throw Failure(ErrorKind::unsupported,
                    "the guest's " + point + " (" + device + ") cannot be mounted: " + (why ? why : "no reason given"));
    }
    system_.mounted.push_back({device, types[i], real});
  }
}

// systemd mounts an EFI system partition without a line in fstab, and the boot loader's seed stands there.
void Guest::mount_boot_partition() {
  const std::string efi_system = "PART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n";
  std::vector<std::string> others;
  std::vector<Command> commands;
  for (const auto& partition : partitions()) {
    if (std::ranges::find(system_.mounted, partition, &FileSystem::device) != system_.mounted.end()) continue;
    others.push_back(partition);
    // From the disk itself: what udev knows of it may come later.
    commands.push_back({"blkid", "-p", "-o", "export", partition});
  }
  const auto answers = appliance_commands(commands);
  for (std::size_t i = 0; i < others.size(); ++i) {
    const std::string &partition = others[i], about = answers[i] + "\n";
    if (about.find(efi_system) == std::string::npos || about.find("\nTYPE=vfat\n") == std::string::npos) continue;
    for (const char* point : {"/efi", "/boot/efi", "/boot"}) {
      const Entry entry = look(point);
      if (entry.link || entry.kind != Entry::Kind::folder) continue;
      const Strings inside(guestfs_ls(handle_, point));
      if (!inside || *inside) continue;
      if (guestfs_mount_options(handle_, "", partition.c_str(), point) != 0) {
        const char* why = guestfs_last_error(handle_);
        throw Failure(ErrorKind::unsupported, "the guest's EFI partition (" + partition +
                                                  ") cannot be mounted: " + (why ? why : "no reason given"));
      }
      system_.mounted.push_back({partition, "vfat", point});
      break;
    }
  }
}

// A part of the guest's identity on what is not there is no line that may be passed over.
void Guest::check_fstab() {
  const Entry fstab = look("/etc/fstab");
  if (fstab.kind != Entry::Kind::file) return;
  std::istringstream lines(read(fstab.path).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what, point, type, options;
    if (!(words >> what >> point >> type) || what.starts_with('#') || type == "tmpfs" || !has_to_be_there(point))
      continue;
    words >> options;
    if (options.find("nofail") != std::string::npos || options.find("noauto") != std::string::npos) continue;
    if (std::ranges::find(system_.mounted, real_path(point), &FileSystem::mount_point) == system_.mounted.end())
      throw Failure(ErrorKind::unsupported,
                    "the guest's " + point + " (" + what + " in /etc/fstab) cannot be reached on its disk");
  }
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
      guestfs_pread_device(handle_, whole_disk, static_cast<int>(length), static_cast<std::int64_t>(position), &size));
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

std::vector<std::string> Guest::volume_groups() {
  if (std::ranges::none_of(contents(), [](const auto& content) { return content.second == "LVM2_member"; })) return {};
  return list(guestfs_vgs);
}

std::vector<std::string> Guest::list(char** (*ask)(guestfs_h*)) {
  const Strings answer(ask(handle_));
  return list_of(answer);
}

}  // namespace anyvisor::identity
