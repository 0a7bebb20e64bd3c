// SPDX-License-Identifier: MIT
#include "version.hpp"

#include <anyvisor/json.hpp>
#include <map>
#include <mutex>

namespace anyvisor::qemu {

Binary find_binary(const std::string& name) {
  if (auto found = sdk::look_up_program(name)) return std::move(*found);
  throw sdk::Failure(ANYVISOR_UNAVAILABLE, "QEMU is not installed: there is no program " + name)
      .hint("apt install qemu-system-x86");
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
