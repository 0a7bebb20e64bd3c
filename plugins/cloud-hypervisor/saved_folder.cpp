// SPDX-License-Identifier: MIT
#include "saved_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

constexpr std::size_t page = 4096;
constexpr const char* config_name = "config.json";             // what Cloud Hypervisor reads
constexpr const char* kept_config_name = "config-saved.json";  // what it wrote
constexpr std::uint64_t longest_config = 16ULL << 20;

sdk::Failure failed(const std::string& what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return {full ? ANYVISOR_EXHAUSTED : ANYVISOR_BACKEND_FAILED,
          "cannot save the guest's memory: " + what + ": " + std::strerror(error)};
}

Descriptor open_folder(const SavedPlace& place) {
  Descriptor folder(::open(place.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder)
    throw sdk::Failure(ANYVISOR_NOT_FOUND, "cannot open " + place.folder + ": " + std::strerror(errno))
        .field("/folder");
  return folder;
}

Descriptor open_in(const Descriptor& folder, const char* name, int flags) {
  return Descriptor(::openat(folder.get(), name, flags | O_CLOEXEC | O_NOFOLLOW, 0600));
}

off_t size_of(const Descriptor& file) {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0 ? status.st_size : -1;
}

void write_all(const Descriptor& file, std::string_view text, off_t at) {
  while (!text.empty()) {
    const ssize_t written = ::pwrite(file.get(), text.data(), text.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw failed("write", errno);
    text.remove_prefix(static_cast<std::size_t>(written));
    at += written;
  }
}

std::string read_all(const Descriptor& file) {
  const off_t size = size_of(file);
  if (size < 0 || static_cast<std::uint64_t>(size) > longest_config) return {};
  std::string text(static_cast<std::size_t>(size), '\0');
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

// FNV-1a: finds a changed byte; who changes files on purpose can do worse.
std::string checksum(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3U;
  return std::to_string(text.size()) + " " + std::to_string(hash);
}

std::string page_with(const SavedPlace& place, Version version, std::string_view config) {
  std::string text = "anyvisor saved memory\n" + place.label + "\ncloud-hypervisor " + to_string(version) + "\n" +
                     checksum(config) + "\n";
  text.resize(page, '\0');
  return text;
}

void sync(const Descriptor& file) {
  if (::fsync(file.get()) != 0) throw failed("flush", errno);
}

}  // namespace

SavedPlace parse_place(const json::Value& request) {
  SavedPlace place{json::string_or(request, "folder"), json::string_or(request, "label"),
                   json::bool_or(request, "durable", true)};
  if (place.folder.empty() || place.folder.front() != '/')
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the folder for saved memory must be an absolute path")
        .field("/folder");
  return place;
}

void clear_saved(const SavedPlace& place) {
  const Descriptor folder = open_folder(place);
  for (const char* name : {saved_state_name, saved_memory_name, config_name, kept_config_name})
    if (::unlinkat(folder.get(), name, 0) != 0 && errno != ENOENT)
      throw failed(std::string("remove an older ") + name, errno);
}

std::uint64_t seal_saved(const SavedPlace& place, Version version) {
  const Descriptor folder = open_folder(place);
  const Descriptor state = open_in(folder, saved_state_name, O_RDONLY);
  const Descriptor memory = open_in(folder, saved_memory_name, O_RDWR);
  const Descriptor config = open_in(folder, config_name, O_RDONLY);
  if (!state || !memory || !config || size_of(state) <= 0)
    throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                       "Cloud Hypervisor says that it has saved the machine, and there is nothing in " + place.folder);
  const std::string text = read_all(config);
  write_all(memory, page_with(place, version, text), size_of(memory));
  if (::renameat(folder.get(), config_name, folder.get(), kept_config_name) != 0) throw failed("rename a file", errno);
  if (place.durable) {
    for (const auto* file : {&state, &memory, &config}) sync(*file);
    sync(folder);
  }
  return static_cast<std::uint64_t>(size_of(state));
}

json::Document open_saved(const SavedPlace& place, Version version) {
  auto refuse = [&](const std::string& why) -> sdk::Failure {
    return {ANYVISOR_CORRUPTED, "the saved memory in " + place.folder + " cannot be used: " + why};
  };
  const Descriptor folder = open_folder(place);
  const Descriptor state = open_in(folder, saved_state_name, O_RDONLY);
  if (!state || size_of(state) <= 0) throw refuse(std::string(saved_state_name) + " is missing or empty");
  const Descriptor config = open_in(folder, kept_config_name, O_RDONLY);
  if (!config) throw refuse(std::string(kept_config_name) + " is missing");
  const Descriptor memory = open_in(folder, saved_memory_name, O_RDONLY);
  if (!memory) throw refuse(std::string(saved_memory_name) + " is missing");
  const off_t size = size_of(memory);
  std::string found(page, '\0');
  if (size < static_cast<off_t>(page) ||
      ::pread(memory.get(), found.data(), page, size - static_cast<off_t>(page)) != static_cast<ssize_t>(page))
    throw refuse(std::string(saved_memory_name) + " is too short");
  if (!found.starts_with("anyvisor saved memory\n"))
    throw refuse(std::string(saved_memory_name) + " is cut, or is no saved memory");
  const std::string text = read_all(config);
  if (found != page_with(place, version, text)) {
    if (found.find("\n" + place.label + "\n") == std::string::npos)
      throw refuse("it belongs to another machine, or to another moment of this one");
    if (found.find("\ncloud-hypervisor " + to_string(version) + "\n") == std::string::npos)
      throw refuse("another version of Cloud Hypervisor than " + to_string(version) + " has written it");
    throw refuse(std::string(kept_config_name) + " was changed");
  }
  json::Document document;
  document.Parse(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject())
    throw refuse(std::string(kept_config_name) + " is no JSON object");
  return document;
}

void write_config(const SavedPlace& place, const json::Value& config) {
  const Descriptor folder = open_folder(place);
  const Descriptor file = open_in(folder, config_name, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) throw failed("create its config", errno);
  write_all(file, json::render(config), 0);
}

}  // namespace anyvisor::cloud_hypervisor
