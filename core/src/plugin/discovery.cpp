// SPDX-License-Identifier: MIT
#include "plugin/discovery.hpp"

#include <dirent.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

namespace anyvisor {
namespace {

constexpr std::string_view name_prefix = "anyvisor-", name_suffix = ".so";

std::string parent_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// Without symbolic links, "." and ".."; empty and errno when it does not resolve.
std::string resolve(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> text(::realpath(path.c_str(), nullptr), &std::free);
  return text ? text.get() : "";
}

// Absolute, but not resolved: people see the path that they gave.
std::string absolute(const std::string& path) {
  if (!path.empty() && path.front() == '/') return path;
  std::unique_ptr<char, decltype(&std::free)> here(::getcwd(nullptr, 0), &std::free);
  return here ? std::string(here.get()) + "/" + path : path;
}

std::string octal(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

Error refusal(const std::string& path, std::string why, std::string hint) {
  Error error;
  error.kind = ErrorKind::unavailable;
  error.message = "plugin \"" + path + "\" is refused: " + std::move(why);
  error.hint = std::move(hint);
  return error;
}

Error plain(ErrorKind kind, std::string message, std::string hint = {}) {
  return std::move(fail(kind, std::move(message), std::move(hint)).value());
}

bool trusted_owner(uid_t owner) {
  return owner == 0 || owner == ::geteuid();
}

// `shown`: the path that people know. `part`: the file, or the folder that it is in.
std::optional<Error> check_part(const std::string& shown, const std::string& part, const struct stat& status,
                                bool folder) {
  if (!trusted_owner(status.st_uid))
    return refusal(shown,
                   std::string(folder ? "its folder \"" + part + "\" belongs" : "it belongs") + " to user " +
                       std::to_string(status.st_uid) + ", which is neither root nor you",
                   "chown " + std::string(::geteuid() == 0 ? "root" : std::to_string(::geteuid())) + " '" + part + "'");
  const mode_t open = status.st_mode & (S_IWGRP | S_IWOTH);
  if (open == 0) return std::nullopt;
  const char* bits = open == (S_IWGRP | S_IWOTH) ? "go-w" : open == S_IWGRP ? "g-w" : "o-w";
  return refusal(shown,
                 std::string(open & S_IWOTH ? "others" : "its group") + " can write to " +
                     (folder ? "its folder \"" + part + "\"" : "it") + " (mode " + octal(status.st_mode) + ")",
                 std::string("chmod ") + bits + " '" + part + "'");
}

// The folder itself, and those above it: there a sticky bit helps, because nobody can rename what is not theirs.
std::optional<Error> check_folders(const std::string& shown, const std::string& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0)
    return refusal(shown, "its folder \"" + folder + "\" cannot be examined: " + std::strerror(errno), "");
  if (auto error = check_part(shown, folder, status, true)) return error;
  for (std::string above = folder; above != "/";) {
    above = parent_of(above);
    if (::stat(above.c_str(), &status) != 0) break;
    if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
      return refusal(
          shown,
          "others can write to \"" + above + "\" (mode " + octal(status.st_mode) + "), through which it is reached",
          "chmod o-w '" + above + "'");
  }
  return std::nullopt;
}

std::optional<Error> inspect(PluginFile& file) {
  file.resolved = resolve(file.path);
  if (file.resolved.empty()) {
    const int reason = errno;
    return plain(reason == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable,
                 "plugin \"" + file.path + "\" cannot be opened: " + std::strerror(reason),
                 reason == ENOENT ? "check the path" : "");
  }
  struct stat status {};
  if (::stat(file.resolved.c_str(), &status) != 0)
    return plain(ErrorKind::unavailable, "plugin \"" + file.path + "\" cannot be examined: " + std::strerror(errno));
  file.identity = {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
                   static_cast<std::uint64_t>(status.st_size),
                   static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
  if (!S_ISREG(status.st_mode))
    return plain(ErrorKind::invalid_argument, "plugin \"" + file.path + "\" is refused: it is no regular file");
  if (auto error = check_part(file.path, file.resolved, status, false)) return error;
  const std::string folder = parent_of(file.resolved);
  if (auto error = check_folders(file.path, folder)) return error;
  // A symbolic link is as good as the folder that it stands in.
  const std::string link_folder = resolve(parent_of(file.path));
  if (!link_folder.empty() && link_folder != folder) return check_folders(file.path, link_folder);
  return std::nullopt;
}

std::string home_of_user() {
  if (const char* home = std::getenv("HOME"); home && *home) return home;
  struct passwd entry {};
  struct passwd* found = nullptr;
  char buffer[4096];
  if (::getpwuid_r(::geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found && found->pw_dir)
    return found->pw_dir;
  return {};
}

// The plugin files of one folder, by name. errno when it cannot be read.
std::vector<std::string> plugin_names(const std::string& folder, int& reason) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), &::closedir);
  if (!stream) {
    reason = errno;
    return names;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string_view name = entry->d_name;
    if (name.starts_with(name_prefix) && name.ends_with(name_suffix)) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string plugin_id_of_file_name(std::string_view name) {
  if (!name.starts_with(name_prefix) || !name.ends_with(name_suffix)) return {};
  if (name.size() <= name_prefix.size() + name_suffix.size()) return {};
  name.remove_prefix(name_prefix.size());
  name.remove_suffix(name_suffix.size());
  auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  auto rest = [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '-'; };
  if (name.size() > 32 || !lower(name.front()) || !std::all_of(name.begin(), name.end(), rest)) return {};
  return std::string(name);
}

std::vector<std::string> plugin_folders(const std::string& install_folder) {
  std::vector<std::string> folders;
  auto add = [&folders](std::string folder) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    if (folder.empty()) return;  // an empty entry means nothing, not the working folder
    folder = absolute(folder);
    const std::string target = resolve(folder);
    for (const auto& known : folders)
      if (known == folder || (!target.empty() && resolve(known) == target)) return;
    folders.push_back(std::move(folder));
  };
  if (const char* text = std::getenv("ANYVISOR_PLUGIN_PATH")) {
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto colon = rest.find(':');
      add(std::string(rest.substr(0, colon)));
      rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
    }
  }
  if (std::string home = home_of_user(); !home.empty()) add(home + "/.local/lib/anyvisor/plugins");
  add(install_folder);
  return folders;
}

PluginFile inspect_plugin_file(const std::string& path) {
  PluginFile file;
  file.path = absolute(path);
  file.id = plugin_id_of_file_name(name_of(file.path));
  file.error = inspect(file);
  return file;
}

std::vector<PluginFile> discover_plugins(const std::string& install_folder) {
  std::vector<PluginFile> files;
  for (const auto& folder : plugin_folders(install_folder)) {
    int reason = 0;
    for (const auto& name : plugin_names(folder, reason)) {
      files.push_back(inspect_plugin_file(folder + "/" + name));
      if (files.back().id.empty() && !files.back().error)
        files.back().error = plain(
            ErrorKind::invalid_argument, "plugin \"" + files.back().path + "\" is refused: its name holds no plugin id",
            "name it anyvisor-<id>.so; ids are lower-case letters, digits and hyphens, a letter first, at most 32");
    }
    if (reason != 0 && reason != ENOENT && reason != ENOTDIR) {
      PluginFile unreadable;
      unreadable.path = folder;
      unreadable.error =
          plain(ErrorKind::unavailable, "plugin folder \"" + folder + "\" cannot be read: " + std::strerror(reason),
                "let yourself read it, or take it out of ANYVISOR_PLUGIN_PATH");
      files.push_back(std::move(unreadable));
    }
  }
  std::map<std::string, std::string> used;  // id > path
  for (auto& file : files) {
    if (file.error || file.id.empty()) continue;
    auto [winner, first] = used.emplace(file.id, file.path);
    if (!first) file.shadowed_by = winner->second;
  }
  return files;
}

}  // namespace anyvisor
