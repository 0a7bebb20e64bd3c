// SPDX-License-Identifier: MIT
// The guest's files. Some calls of libguestfs work in a root of their own, the guest's, and others on /sysroot/PATH
// from the appliance's: there an absolute link would lead into the appliance. All calls therefore get paths without
// links.
#include <sys/stat.h>

#include "guest.hpp"
#include "guestfs_owned.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t erase_limit = 1u << 20;  // no secret is larger
constexpr const char* label_name = "security.selinux";

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string Guest::real_path(const std::string& name) {
  const Text path(guestfs_realpath(handle_, name.c_str()));
  return path ? path.get() : "";
}

Entry Guest::look(const std::string& name) {
  Entry entry;
  auto kind_of = [](std::int64_t mode) {
    const auto bits = static_cast<mode_t>(mode);
    return S_ISREG(bits) ? Entry::Kind::file : S_ISDIR(bits) ? Entry::Kind::folder : Entry::Kind::other;
  };
  auto* status = guestfs_lstatns(handle_, name.c_str());
  if (!status) return entry;
  const std::int64_t mode = status->st_mode;
  guestfs_free_statns(status);
  std::string& folder = folders_[folder_of(name)];
  if (folder.empty()) folder = real_path(folder_of(name));
  if (folder.empty()) fail_call("looking for " + name);
  entry.own = (folder == "/" ? "" : folder) + name.substr(name.rfind('/'));
  entry.path = entry.own;
  entry.link = S_ISLNK(static_cast<mode_t>(mode));
  if (!entry.link) {
    entry.kind = kind_of(mode);
    return entry;
  }
  const std::string target = real_path(name);
  if (target.empty()) return entry;
  if (auto* named = guestfs_lstatns(handle_, target.c_str())) {
    entry.kind = kind_of(named->st_mode);
    entry.path = target;
    guestfs_free_statns(named);
  }
  return entry;
}

std::vector<std::string> Guest::glob(const std::string& pattern) {
  const Strings found(
      guestfs_glob_expand_opts(handle_, pattern.c_str(), GUESTFS_GLOB_EXPAND_OPTS_DIRECTORYSLASH, 0, -1));
  if (!found) fail_call("looking for " + pattern);
  return list_of(found);
}

// One call, where the library's own for whole files takes a hundred times as long in emulation.
std::optional<std::string> Guest::read(const std::string& path, std::size_t limit) {
  std::size_t length = 0;
  const Text content(guestfs_pread(handle_, path.c_str(), static_cast<int>(limit + 1), 0, &length));
  if (!content) fail_call("reading " + path);
  if (length > limit) return std::nullopt;
  return std::string(content.get(), length);
}

void Guest::erase_file(const std::string& path) {
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

void Guest::erase(const std::string& path) {
  const Entry entry = look(path);
  if (entry.link) return;
  if (entry.kind == Entry::Kind::file) return erase_file(path);
  if (entry.kind != Entry::Kind::folder) return;
  const Strings inside(guestfs_find(handle_, path.c_str()));
  if (!inside) fail_call("looking into " + path);
  for (const auto& name : list_of(inside))
    if (const std::string below = path + "/" + name; guestfs_is_file(handle_, below.c_str()) == 1) erase_file(below);
}

void Guest::write(const std::string& path, const std::string& content) {
  if (guestfs_write(handle_, path.c_str(), content.data(), content.size()) != 0) fail_call("writing " + path);
}

// A new file would have no label, and SELinux would keep its readers away from it.
void Guest::copy_label(const std::string& from, const std::string& to) {
  std::size_t size = 0;
  const Text label(guestfs_lgetxattr(handle_, from.c_str(), label_name, &size));
  if (!label) return;
  if (guestfs_lsetxattr(handle_, label_name, label.get(), static_cast<int>(size), to.c_str()) != 0)
    fail_call("labelling " + to);
}

void Guest::create(const std::string& path, const std::string& content) {
  const std::string folder = folder_of(path);
  if (real_path(folder).empty()) {
    if (guestfs_mkdir(handle_, folder.c_str()) != 0) fail_call("making the folder " + folder);
    copy_label(real_path(folder_of(folder)), folder);
  }
  write(path, content);
  constexpr int mode = 0644;
  if (guestfs_chmod(handle_, mode, path.c_str()) != 0) fail_call("changing the mode of " + path);
  copy_label(folder, path);
}

void Guest::remove(const std::string& path) {
  const Entry entry = look(path);
  if (!entry.exists()) return;
  const bool folder = !entry.link && entry.kind == Entry::Kind::folder;
  if ((folder ? guestfs_rm_rf : guestfs_rm)(handle_, path.c_str()) != 0) fail_call("removing " + path);
}

void Guest::flush() {
  if (guestfs_sync(handle_) != 0) fail_call("flushing the guest's file systems");
}

}  // namespace anyvisor::identity
