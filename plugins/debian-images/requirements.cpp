// SPDX-License-Identifier: MIT
#include "requirements.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace debian_images {

namespace {

bool is_program(const std::string& name) {
  std::istringstream folders(search_path());
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && ::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  return false;
}

Requirement program(std::string name, std::string purpose, std::string package) {
  Requirement needed{std::move(name), std::move(purpose), std::move(package), false, "", ""};
  needed.met = is_program(needed.name);
  if (!needed.met) needed.reason = needed.name + " is not installed: it " + needed.purpose;
  return needed;
}

Requirement boot_loader() {
  const std::string file = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
  Requirement needed{"systemd-boot", "boots the disk by firmware", "systemd-boot-efi", false, "", ""};
  needed.met = ::access(file.c_str(), R_OK) == 0;
  if (!needed.met) needed.reason = file + " is missing: it " + needed.purpose;
  return needed;
}

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry && entry->pw_name ? entry->pw_name : std::to_string(::geteuid());
}

// Has this user a line in /etc/subuid or /etc/subgid? By name or by number, as newuidmap reads them.
bool has_range(const char* file, const std::string& user) {
  std::ifstream lines(file);
  const std::string number = std::to_string(::geteuid());
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(user + ":") || line.starts_with(number + ":")) return true;
  return false;
}

// The files of a root file system have many owners: a plain user needs a range of ids for them.
Requirement subordinate_ids() {
  const std::string user = user_name();
  Requirement needed{"subordinate-ids", "lets a plain user make files of many owners", "uidmap", false, "", ""};
  needed.met = has_range("/etc/subuid", user) && has_range("/etc/subgid", user);
  if (needed.met) return needed;
  needed.reason = "the user " + user + " has no range of ids in /etc/subuid and /etc/subgid";
  needed.command = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + user;
  return needed;
}

}  // namespace

std::string search_path() {
  const char* path = std::getenv("PATH");
  return std::string(path && *path ? path : "/usr/local/bin:/usr/bin:/bin") + ":/usr/sbin:/sbin";
}

std::vector<Requirement> requirements() {
  std::vector<Requirement> all{
      program("mmdebstrap", "builds the root file system from Debian's archive", "mmdebstrap"),
      program("mke2fs", "makes the root file system's disk", "e2fsprogs"),
      program("mkfs.vfat", "makes the partition that firmware boots from", "dosfstools"),
      program("mcopy", "fills the partition that firmware boots from", "mtools"),
      program("sfdisk", "writes the partition table", "fdisk"),
      program("qemu-img", "makes a qcow2 of the disk", "qemu-utils"),
      boot_loader(),
  };
  if (::geteuid() != 0) {
    all.push_back(program("newuidmap", "lets a plain user make files of many owners", "uidmap"));
    all.push_back(subordinate_ids());
  }
  return all;
}

std::string remedy(const std::vector<Requirement>& all) {
  std::vector<std::string> packages;
  std::string commands;
  for (const auto& needed : all) {
    if (needed.met) continue;
    if (!needed.command.empty())
      commands += " && " + needed.command;
    else if (std::ranges::find(packages, needed.package) == packages.end())
      packages.push_back(needed.package);
  }
  std::string command;
  if (!packages.empty()) command = "apt install";
  for (const auto& package : packages) command += " " + package;
  constexpr std::size_t joint = 4;  // " && "
  if (command.empty() && !commands.empty()) return commands.substr(joint);
  return command + commands;
}

}  // namespace debian_images
