// SPDX-License-Identifier: MIT
#include "version.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>

namespace anyvisor::qemu {
namespace {

bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::string look_up(const std::string& name) {
  if (name.find('/') != std::string::npos) return name.front() == '/' && is_program(name) ? name : std::string();
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (folder.empty() || folder.front() != '/') continue;
    std::string candidate = folder + "/" + name;
    if (is_program(candidate)) return candidate;
  }
  return {};
}

}  // namespace

Binary find_binary(const std::string& name) {
  std::string path = look_up(name);
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) < 0)
    throw sdk::Failure(ANYVISOR_UNAVAILABLE, "QEMU is not installed: there is no program " + name)
        .hint("apt install qemu-system-x86");
  std::ostringstream identity;
  identity << path << ':' << status.st_dev << ':' << status.st_ino << ':' << status.st_size << ':'
           << status.st_mtim.tv_sec << '.' << status.st_mtim.tv_nsec;
  return {std::move(path), identity.str()};
}

std::string parse_version(const std::string& printed) {
  const std::string before = "version ";
  auto begin = printed.find(before);
  if (begin == std::string::npos) return {};
  begin += before.size();
  auto end = printed.find_first_not_of("0123456789.", begin);
  return printed.substr(begin, end == std::string::npos ? end : end - begin);
}

std::string query_version(const sdk::Host& host, const sdk::Context& context, const Binary& binary) {
  static std::mutex mutex;
  static std::map<std::string, std::string> known;
  {
    std::lock_guard lock(mutex);
    if (auto entry = known.find(binary.identity); entry != known.end()) return entry->second;
  }
  sdk::Process process;
  process.argv = {binary.path, "--version"};
  json::Document reply;
  reply.Parse(host.run(context, process));
  std::string version = reply.HasParseError() ? std::string() : parse_version(json::string_or(reply, "output"));
  if (version.empty())
    throw sdk::Failure(ANYVISOR_UNAVAILABLE, binary.path + " --version does not answer like QEMU")
        .hint("check the plugin's setting binary");
  std::lock_guard lock(mutex);
  return known[binary.identity] = version;
}

}  // namespace anyvisor::qemu
