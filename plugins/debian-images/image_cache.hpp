// SPDX-License-Identifier: MIT
// What has been built, by key. <folder>/<key>/ holds a whole image and appears by one rename; <key>.making/ is one that
// is being built, or what a killed build left; <key>.lock is held by a build and by all its processes.
#pragma once

#include <anyvisor/plugin.hpp>
#include <optional>
#include <string>

namespace debian_images {

// $ANYVISOR_DEBIAN_CACHE, else $XDG_CACHE_HOME/anyvisor/debian-images, else ~/.cache/anyvisor/debian-images. Absolute.
// Throws Failure(UNAVAILABLE) when there is no home folder.
std::string cache_folder();

// Held until destruction, and by every process that inherits the descriptor. flock and no OFD lock of fcntl: both
// belong to the open file, and this one is what flock(1) and people with lslocks know.
class BuildLock {
 public:
  // Empty: another process builds. Throws Failure.
  static std::optional<BuildLock> try_take(const std::string& file);
  // Does a process hold it now? Makes nothing.
  static bool is_taken(const std::string& file);
  BuildLock(BuildLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  BuildLock& operator=(BuildLock&&) = delete;
  ~BuildLock();
  int fd() const { return fd_; }

 private:
  explicit BuildLock(int fd) : fd_(fd) {}
  int fd_;
};

class ImageCache {
 public:
  ImageCache(std::string folder, std::string key) : folder_(std::move(folder)), key_(std::move(key)) {}
  // Makes the folder (0700) when it is not there. Throws Failure.
  void make_folder() const;
  // Throws Failure(EXHAUSTED) when a build would run out of space: found out now, and not by apt's patient retries.
  void check_space() const;
  std::string image() const { return folder_ + "/" + key_; }
  std::string making() const { return image() + ".making"; }
  std::string log() const { return image() + ".log"; }
  std::string lock() const { return image() + ".lock"; }
  const std::string& folder() const { return folder_; }
  const std::string& key() const { return key_; }
  bool has_image() const;
  // The image's manifest.json. Throws Failure.
  std::string manifest() const;
  // `built` (a folder on this file system) becomes the image, durably. Throws Failure.
  void publish(const std::string& built, const std::string& manifest) const;
  // The image's files by hard link into `folder`, or false: it is on another file system. Throws Failure.
  bool link_into(const std::string& folder) const;

 private:
  std::string folder_, key_;
};

}  // namespace debian_images
