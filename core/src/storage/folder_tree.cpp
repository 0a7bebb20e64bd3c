// SPDX-License-Identifier: MIT
// Making, sweeping and removing folders durably; declared in atomic_file.hpp.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

#include "storage/atomic_file.hpp"
#include "storage/durable_step.hpp"
#include "storage/fd.hpp"

namespace anyvisor {

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Splits "a/b/c" into its folder "a/b" and its name "c".
std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<std::vector<std::string>> names_in(int folder, const std::string& shown) {
  // A descriptor of its own: the stream takes it over, and its position is not shared.
  const int listed = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (listed < 0) return fail_errno("cannot list \"" + shown + "\"", errno);
  const auto close_stream = [](DIR* stream) { ::closedir(stream); };
  std::unique_ptr<DIR, decltype(close_stream)> stream(::fdopendir(listed), close_stream);
  if (!stream) {
    const int failure = errno;
    ::close(listed);
    return fail_errno("cannot list \"" + shown + "\"", failure);
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (!entry) {
      if (errno != 0) return fail_errno("cannot list \"" + shown + "\"", errno);
      return names;
    }
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
}

// Removes the entry `name` of `parent`, with everything in it. A missing one is no error.
Result<void> remove_entry(int parent, const std::string& name, const std::string& shown) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  // Linux says EISDIR; POSIX would have EPERM.
  if (errno != EISDIR && errno != EPERM) return fail_errno("cannot remove \"" + shown + "\"", errno);
  const int unlink_failure = errno;
  {
    Fd folder(::openat(parent, name.c_str(), folder_flags));
    if (!folder) {
      if (errno == ENOENT) return {};
      return fail_errno("cannot remove \"" + shown + "\"", errno == ENOTDIR ? unlink_failure : errno);
    }
    ANYVISOR_TRY(auto names, names_in(folder.get(), shown));
    for (const auto& inner : names) ANYVISOR_CHECK(remove_entry(folder.get(), inner, shown + "/" + inner));
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return fail_errno("cannot remove \"" + shown + "\"", errno);
  return {};
}

Result<void> sync(int folder, const std::string& shown) {
  while (::fsync(folder) != 0)
    if (errno != EINTR) return fail_errno("cannot write \"" + shown + "\" to the disk", errno);
  return {};
}

// Makes `path`, whose folder exists, and writes the new entry to the disk.
Result<void> make_one(const std::string& path) {
  const auto [folder, name] = split(path);
  ANYVISOR_TRY(Fd parent, open_folder(folder));
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return fail_errno("cannot make folder \"" + path + "\"", errno);
    // Another process was faster, which is as good; anything but a folder is not.
    Fd there(::openat(parent.get(), name.c_str(), folder_flags));
    if (!there) return fail_errno("cannot make folder \"" + path + "\"", EEXIST);
  }
  return sync(parent.get(), folder);
}

// Was it left by a writer that is dead? Names are ".<name>.<pid>.<n>.tmp".
bool is_stale_temporary(const std::string& name) {
  constexpr std::string_view ending = ".tmp";
  if (name.front() != '.' || !name.ends_with(ending)) return false;
  const std::string stem = name.substr(0, name.size() - ending.size());
  const auto count_at = stem.rfind('.');
  if (count_at == 0 || count_at == std::string::npos) return false;
  const auto pid_at = stem.rfind('.', count_at - 1);
  if (pid_at == 0 || pid_at == std::string::npos) return false;
  const std::string count = stem.substr(count_at + 1), pid = stem.substr(pid_at + 1, count_at - pid_at - 1);
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!is_number(count) || !is_number(pid) || std::stoi(pid) == 0) return false;
  return ::kill(std::stoi(pid), 0) != 0 && errno == ESRCH;
}

}  // namespace

Result<void> make_folder_durably(const std::string& wanted, const char* step) {
  // From the wanted folder upwards to what is there; what was there before may be reached through links.
  std::vector<std::string> missing;
  std::string path = without_trailing_slashes(wanted);
  while (true) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
      if (!S_ISDIR(status.st_mode))
        return fail(ErrorKind::already_exists,
                    "cannot make folder \"" + wanted + "\": \"" + path + "\" is not a folder");
      break;
    }
    if (errno != ENOENT) return fail_errno("cannot make folder \"" + wanted + "\"", errno);
    missing.push_back(path);
    path = without_trailing_slashes(split(path).first);
  }
  if (missing.empty()) return {};
  DurableStep durable(step);
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) ANYVISOR_CHECK(make_one(*folder));
  return {};
}

Result<void> remove_tree_durably(const std::string& wanted, const char* step) {
  const std::string path = without_trailing_slashes(wanted);
  const auto [folder, name] = split(path);
  if (name.empty() || name == "." || name == "..")
    return fail(ErrorKind::invalid_argument, "cannot remove \"" + wanted + "\": the path has no name at its end");
  DurableStep durable(step);
  Fd parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot open folder \"" + folder + "\"", errno);
  }
  ANYVISOR_CHECK(remove_entry(parent.get(), name, path));
  return sync(parent.get(), folder);
}

Result<void> remove_stale_temporaries(const std::string& path, const char* step) {
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    if (errno == ENOENT) return {};
    return fail_errno("cannot open folder \"" + path + "\"", errno);
  }
  ANYVISOR_TRY(auto names, names_in(folder.get(), path));
  std::erase_if(names, [](const std::string& name) { return !is_stale_temporary(name); });
  if (names.empty()) return {};
  DurableStep durable(step);
  for (const auto& name : names)
    if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT)
      return fail_errno("cannot remove \"" + path + "/" + name + "\"", errno);
  return sync(folder.get(), path);
}

}  // namespace anyvisor
