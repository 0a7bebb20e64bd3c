// SPDX-License-Identifier: MIT
#include "storage/home.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "storage/atomic_file.hpp"

namespace anyvisor {

namespace {

constexpr const char* choose_another = "set ANYVISOR_HOME to a folder of your own";

// The variable's value, or empty.
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<std::string> user_folder() {
  if (auto home = environment("HOME"); !home.empty() && home.front() == '/') return home;
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found && found->pw_dir &&
      found->pw_dir[0] == '/')
    return std::string(found->pw_dir);
  return fail(ErrorKind::unavailable, "cannot tell where to keep instances: neither ANYVISOR_HOME nor HOME is set",
              choose_another);
}

Result<std::string> default_path() {
  if (auto path = environment("ANYVISOR_HOME"); !path.empty()) return path;
  if (::geteuid() == 0) return std::string("/var/lib/anyvisor");
  // The XDG specification says to ignore relative paths.
  if (auto data = environment("XDG_DATA_HOME"); !data.empty() && data.front() == '/') return data + "/anyvisor";
  ANYVISOR_TRY(auto user, user_folder());
  return user + "/.local/share/anyvisor";
}

// Absolute, without empty and "." parts and trailing slashes. ".." stays: behind a link it means something else than it
// reads.
Result<std::string> make_absolute(const std::string& path) {
  std::string whole = path;
  if (whole.front() != '/') {
    std::array<char, 4096> here{};
    if (!::getcwd(here.data(), here.size())) return fail_errno("cannot tell the current folder", errno);
    whole = std::string(here.data()) + "/" + path;
  }
  std::string clean;
  for (std::size_t start = 0; start < whole.size();) {
    std::size_t end = whole.find('/', start);
    if (end == std::string::npos) end = whole.size();
    const std::string part = whole.substr(start, end - start);
    if (!part.empty() && part != ".") clean += "/" + part;
    start = end + 1;
  }
  return clean.empty() ? std::string("/") : clean;
}

enum class Presence { missing, folder };

Result<Presence> look(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Presence::missing;
    if (errno == ENOTDIR)
      return fail(ErrorKind::corrupted,
                  "cannot use \"" + path + "\" as home folder: a part of the path is not a folder", choose_another);
    return fail_errno("cannot use \"" + path + "\" as home folder", errno);
  }
  if (!S_ISDIR(status.st_mode))
    return fail(ErrorKind::corrupted, "cannot use \"" + path + "\": it is not a folder", choose_another);
  if (status.st_uid != ::geteuid())
    return fail(ErrorKind::unavailable,
                "cannot use \"" + path + "\": it belongs to user " + std::to_string(status.st_uid) + ", you are user " +
                    std::to_string(::geteuid()),
                choose_another);
  return Presence::folder;
}

Result<void> make_missing(const std::string& path) {
  auto made = make_folder_durably(path, "home.create");
  if (!made) {
    Error error = std::move(made).error();
    if (error.kind == ErrorKind::already_exists || error.kind == ErrorKind::not_found)
      error.kind = ErrorKind::corrupted;
    // A read-only file system is as good as no permission.
    if (error.kind == ErrorKind::internal) error.kind = ErrorKind::unavailable;
    error.hint = choose_another;
    return tl::unexpected<Error>(std::move(error));
  }
  return {};
}

}  // namespace

Result<Home> Home::find(const std::string& path) {
  Home home;
  if (path.empty()) {
    ANYVISOR_TRY(auto wanted, default_path());
    ANYVISOR_TRY(home.path_, make_absolute(wanted));
  } else {
    ANYVISOR_TRY(home.path_, make_absolute(path));
  }
  ANYVISOR_TRY(auto presence, look(home.path_));
  if (presence == Presence::folder) ANYVISOR_CHECK(home.check_writable());
  return home;
}

Result<Home> Home::open(const std::string& path) {
  ANYVISOR_TRY(Home home, find(path));
  ANYVISOR_CHECK(home.make());
  return home;
}

Result<void> Home::check_writable() const {
  if (::euidaccess(path_.c_str(), R_OK | W_OK | X_OK) == 0) return {};
  return fail(ErrorKind::unavailable, "cannot write into the home folder \"" + path_ + "\"", choose_another);
}

bool Home::is_there() const {
  return ::access(instances().c_str(), F_OK) == 0;
}

Result<void> Home::make() const {
  ANYVISOR_TRY(auto presence, look(path_));
  if (presence == Presence::missing) ANYVISOR_CHECK(make_missing(path_));
  ANYVISOR_CHECK(check_writable());
  for (const auto& part : {instances(), staging(), disks(), images(), cache()}) {
    ANYVISOR_TRY(auto there, look(part));
    if (there == Presence::missing) ANYVISOR_CHECK(make_missing(part));
  }
  return {};
}

}  // namespace anyvisor
