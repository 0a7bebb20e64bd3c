// SPDX-License-Identifier: MIT
#include "clone/clone_name.hpp"

namespace anyvisor {
namespace {

constexpr std::size_t longest_name = 63;

}  // namespace

std::string clone_name(const std::string& source, const IsTaken& is_taken) {
  for (unsigned number = 1;; ++number) {
    const std::string ending = "-clone" + std::to_string(number);
    std::string begin = source.substr(0, longest_name - ending.size());
    while (begin.ends_with('-')) begin.pop_back();
    if (!is_taken(begin + ending)) return begin + ending;
  }
}

Result<void> check_clone_name(const Workspace& workspace, const CloneRequest& request) {
  if (const auto source = find_instance(workspace, request.source); source && source->name == request.name)
    return fail(ErrorKind::already_exists, "\"" + request.name + "\" is the source itself", "choose another --name",
                "/name");
  return check_name_is_free(workspace, request.name);
}

}  // namespace anyvisor
