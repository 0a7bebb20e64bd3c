// SPDX-License-Identifier: MIT
#include "local-vmm/program.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace anyvisor::sdk {
namespace {

bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::string path_of(const std::string& name) {
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

std::optional<Binary> look_up_program(const std::string& name) {
  std::string path = path_of(name);
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) < 0) return std::nullopt;
  std::ostringstream identity;
  identity << path << ':' << status.st_dev << ':' << status.st_ino << ':' << status.st_size << ':'
           << status.st_mtim.tv_sec << '.' << status.st_mtim.tv_nsec;
  return Binary{std::move(path), identity.str()};
}

}  // namespace anyvisor::sdk
