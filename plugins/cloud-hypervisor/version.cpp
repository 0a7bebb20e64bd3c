// SPDX-License-Identifier: MIT
#include "version.hpp"

#include <anyvisor/json.hpp>
#include <charconv>
#include <map>
#include <mutex>

namespace anyvisor::cloud_hypervisor {

Abilities abilities_of(Version version) {
  Abilities abilities;
  abilities.landlock = version >= Version{41, 0};
  abilities.named_image_types = abilities.backing_files_option = version >= Version{51, 0};
  abilities.stays_after_power_off = abilities.on_demand_restore = version >= Version{52, 0};
  abilities.relative_backing_names = version >= Version{53, 0};
  return abilities;
}

Binary find_binary(const std::string& name) {
  if (auto found = sdk::look_up_program(name)) return std::move(*found);
  throw sdk::Failure(ANYVISOR_UNAVAILABLE, "Cloud Hypervisor is not installed: there is no program " + name)
      .hint("put the program of a release, v40 or newer, on PATH, or name it in the plugin's setting binary");
}

Version parse_version(const std::string& printed) {
  std::string_view text = printed;
  text = text.substr(0, text.find('\n'));
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return {};
  const char* end = text.data() + text.size();
  Version version;
  const auto major = std::from_chars(text.data() + begin, end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return {};
  if (std::from_chars(major.ptr + 1, end, version.minor).ec != std::errc()) return {};
  return version;
}

std::string to_string(Version version) {
  return "v" + std::to_string(version.major) + "." + std::to_string(version.minor);
}

void require_supported(Version version, const std::string& of) {
  if (version >= oldest_version) return;
  throw sdk::Failure(ANYVISOR_UNSUPPORTED, of + " is " + to_string(version) + ", which is too old: " +
                                               to_string(oldest_version) + " is the oldest that this backend knows")
      .hint("install a newer release, or name it in the plugin's setting binary");
}

Version query_version(const sdk::Host& host, const sdk::Context& context, const Binary& binary) {
  static std::mutex mutex;
  static std::map<std::string, Version> known;
  {
    std::lock_guard lock(mutex);
    if (auto entry = known.find(binary.identity); entry != known.end()) return entry->second;
  }
  sdk::Process process;
  process.argv = {binary.path, "--version"};
  json::Document reply;
  reply.Parse(host.run(context, process));
  const std::string printed = reply.HasParseError() ? std::string() : json::string_or(reply, "output");
  const Version version = printed.find("cloud-hypervisor") == std::string::npos ? Version{} : parse_version(printed);
  if (version == Version{})
    throw sdk::Failure(ANYVISOR_UNAVAILABLE, binary.path + " --version does not answer like Cloud Hypervisor")
        .hint("check the plugin's setting binary");
  require_supported(version, binary.path);
  std::lock_guard lock(mutex);
  return known[binary.identity] = version;
}

}  // namespace anyvisor::cloud_hypervisor
