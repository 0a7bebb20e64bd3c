// SPDX-License-Identifier: MIT
#include "image_cache.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace debian_images {

using anyvisor::sdk::Failure;
namespace fs = std::filesystem;

namespace {

constexpr const char* manifest_name = "manifest.json";
// The tree, the raw disk and the qcow2, with what apt needs meanwhile: 1.9 GiB, seen.
constexpr std::uint64_t space_of_a_build = 2200ULL << 20;

Failure system_failure(const std::string& what, int error) {
  anyvisor_status status = ANYVISOR_INTERNAL;
  if (error == EACCES || error == EPERM || error == EROFS || error == ENOENT) status = ANYVISOR_UNAVAILABLE;
  if (error == ENOSPC || error == EDQUOT || error == EMFILE) status = ANYVISOR_EXHAUSTED;
  return Failure(status, what + ": " + std::strerror(error))
      .hint("set ANYVISOR_DEBIAN_CACHE to a folder of yours with room");
}

std::string home_folder() {
  if (const char* home = std::getenv("HOME"); home && *home == '/') return home;
  if (const passwd* entry = ::getpwuid(::geteuid()); entry && entry->pw_dir && *entry->pw_dir == '/')
    return entry->pw_dir;
  throw Failure(ANYVISOR_UNAVAILABLE, "there is no home folder to keep Debian images in")
      .hint("set ANYVISOR_DEBIAN_CACHE to a folder");
}

void sync(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int failed = fd < 0 || ::fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) ::close(fd);
  if (failed != 0) throw system_failure("cannot flush \"" + path + "\"", failed);
}

}  // namespace

std::string cache_folder() {
  if (const char* given = std::getenv("ANYVISOR_DEBIAN_CACHE"); given && *given) return fs::absolute(given).string();
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg == '/')
    return std::string(xdg) + "/anyvisor/debian-images";
  return home_folder() + "/.cache/anyvisor/debian-images";
}

std::optional<BuildLock> BuildLock::try_take(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw system_failure("cannot open \"" + file + "\"", errno);
  BuildLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return std::nullopt;
  throw system_failure("cannot lock \"" + file + "\"", errno);
}

bool BuildLock::is_taken(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  const BuildLock probe(fd);
  return ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

BuildLock::~BuildLock() {
  if (fd_ >= 0) ::close(fd_);
}

void ImageCache::make_folder() const {
  std::error_code error;
  if (fs::is_directory(folder_, error)) return;
  fs::create_directories(fs::path(folder_).parent_path(), error);
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
    throw system_failure("cannot make the folder \"" + folder_ + "\"", errno);
}

void ImageCache::check_space() const {
  struct statvfs space {};
  if (::statvfs(folder_.c_str(), &space) != 0) return;
  const std::uint64_t available = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  if (available >= space_of_a_build) return;
  throw Failure(ANYVISOR_EXHAUSTED, "building a Debian image takes " + std::to_string(space_of_a_build >> 20) +
                                        " MiB, and only " + std::to_string(available >> 20) + " MiB are free in " +
                                        folder_)
      .hint("make room there, or set ANYVISOR_DEBIAN_CACHE to a folder that has it");
}

bool ImageCache::has_image() const {
  return ::access((image() + "/" + manifest_name).c_str(), R_OK) == 0;
}

std::string ImageCache::manifest() const {
  const std::string path = image() + "/" + manifest_name;
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream || text.str().empty())
    throw Failure(ANYVISOR_CORRUPTED, "\"" + path + "\" cannot be read").hint("remove that folder: it is built anew");
  return text.str();
}

void ImageCache::publish(const std::string& built, const std::string& manifest) const {
  const std::string path = built + "/" + manifest_name;
  if (std::ofstream stream(path); !(stream << manifest) || !stream.flush())
    throw system_failure("cannot write \"" + path + "\"", errno);
  for (const auto& entry : fs::directory_iterator(built)) sync(entry.path());
  sync(built);
  if (::rename(built.c_str(), image().c_str()) != 0)
    throw system_failure("cannot move the finished image to \"" + image() + "\"", errno);
  sync(folder_);
}

bool ImageCache::link_into(const std::string& folder) const {
  for (const auto& entry : fs::directory_iterator(image())) {
    const std::string name = entry.path().filename();
    if (name == manifest_name) continue;
    if (::link(entry.path().c_str(), (folder + "/" + name).c_str()) == 0) continue;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP) return false;
    throw system_failure("cannot link \"" + entry.path().string() + "\" into \"" + folder + "\"", errno);
  }
  return true;
}

}  // namespace debian_images
