// SPDX-License-Identifier: MIT
// doctor: what works on this host, what does not, why, and the command that mends it. What hypervisors need, their
// plugins tell.
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "host/ask_plugin.hpp"
#include "instance/operations.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds probe_limit{60000};
// Below this, an overlay of a small system soon fills the disk.
constexpr std::uint64_t little_space = 2ULL << 30;

Finding found(std::string subject, std::string detail) {
  return {std::move(subject), true, false, std::move(detail), "", ""};
}

Finding missing(std::string subject, std::string detail, std::string consequence, std::string remedy) {
  return {std::move(subject), false, false, std::move(detail), std::move(consequence), std::move(remedy)};
}

Finding examine_program(const std::string& program, const std::string& consequence, const std::string& remedy) {
  if (auto path = find_program(program)) return found(program, *path);
  return missing(program, "not found on PATH", consequence, remedy);
}

Finding examine_space(const std::string& home) {
  struct statvfs status {};
  // A home folder that is still to be made will stand where the lowest folder is that is there.
  std::string there = home;
  while (there.size() > 1 && access(there.c_str(), F_OK) != 0) there.resize(std::max<std::size_t>(there.rfind('/'), 1));
  if (statvfs(there.c_str(), &status) != 0) return missing("space", "cannot be told", "", "");
  std::uint64_t available = std::uint64_t{status.f_bavail} * status.f_frsize;
  std::string detail = std::to_string(available >> 30) + " GiB free in " + home;
  if (available >= little_space) return found("space", detail);
  return missing("space", detail, "images and disks may not fit",
                 "make room, or choose another folder with ANYVISOR_HOME");
}

std::string kind_of(const PluginInfo& plugin) {
  for (const char* kind : {"backend", "image-store", "network"})
    if (has_kind(plugin, kind)) return kind;
  return "plugin";
}

std::string method_of(const std::string& kind) {
  return (kind == "image-store" ? "image_store" : kind) + ".capabilities";
}

// What an image store lacks on this host, each with the command that mends it.
void read_needs(const PluginInfo& plugin, const json::Document& report, std::vector<Finding>& findings) {
  const auto* capabilities = json::object_or_null(report, "capabilities");
  if (!capabilities) return;
  for (const auto& [name, answer] : capabilities->GetObject())
    if (json::string_or(answer, "answer") == "needs")
      findings.push_back(missing(plugin.id + " " + name.GetString(), json::string_or(answer, "reason"),
                                 "images of " + plugin.id + " cannot be brought", json::string_or(answer, "remedy")));
}

// What a backend says of this host: its VMM and the accelerator.
void read_report(const PluginInfo& plugin, const json::Document& report, std::vector<Finding>& findings) {
  if (const auto* vmm = json::object_or_null(report, "vmm"))
    findings.push_back(found(plugin.id + " VMM", json::string_or(*vmm, "name") + " " +
                                                     json::string_or(*vmm, "version") + " (" +
                                                     json::string_or(*vmm, "path") + ")"));
  if (const auto* accelerator = json::object_or_null(report, "accelerator")) {
    std::string name = json::string_or(*accelerator, "name"), reason = json::string_or(*accelerator, "reason");
    const bool emulated = json::bool_or(*accelerator, "emulated", false), none = name == no_accelerator;
    const std::string detail = name + (reason.empty() ? "" : ": " + reason);
    if (none || emulated)
      findings.push_back(missing(
          plugin.id + " accelerator", detail,
          none ? plugin.id + " runs no machine here" : "guests run in software emulation, many times slower", ""));
    else
      findings.push_back(found(plugin.id + " accelerator", detail));
  }
}

}  // namespace

Result<std::vector<Finding>> examine_host(const Workspace& workspace, Operation& operation) {
  PhaseClock clock(operation);
  std::vector<Finding> findings;
  std::vector<std::size_t> not_installed;  // backends without their hypervisor, by their place in findings
  bool a_backend_works = false;
  clock.begin("programs");
  findings.push_back(examine_space(workspace.home.path()));
  findings.push_back(examine_program("qemu-img", "images cannot be imported or made", "apt install qemu-utils"));
  clock.begin("plugins");
  ANYVISOR_TRY(auto plugins, workspace.plugins.list(true));
  for (const auto& plugin : plugins) {
    std::string kind = kind_of(plugin);
    if (!plugin.error.empty()) {
      findings.push_back(missing("plugin " + (plugin.id.empty() ? plugin.path : plugin.id), plugin.error,
                                 "it is not used", plugin.hint));
      continue;
    }
    findings.push_back(found(kind + " " + plugin.id, plugin.version + ", " + plugin.path));
    if (method_of(kind).empty()) continue;
    clock.begin(plugin.id);
    auto client = HostClient::start_private(workspace.plugin_host, {plugin.path}, workspace.home.path());
    if (!client) return tl::unexpected(std::move(client).error());
    const auto params = plugin_params(plugin, json::make_object());
    auto report = client->call(method_of(kind), params, probe_limit, operation);
    if (report) {
      read_report(plugin, *report, findings);
      a_backend_works |= kind == "backend" && accelerator_of(*report) != no_accelerator;
      if (kind == "image-store") read_needs(plugin, *report, findings);
    } else {
      if (kind == "backend" && report.error().kind == ErrorKind::unavailable)
        not_installed.push_back(findings.size() - 1);
      findings.back() = missing(kind + " " + plugin.id, report.error().message,
                                kind + " " + plugin.id + " cannot be used", report.error().hint);
    }
  }
  // Nobody needs every hypervisor there is.
  for (const std::size_t index : not_installed)
    if (a_backend_works) {
      findings[index].optional = true;
      findings[index].consequence.clear();
    }
  return findings;
}

}  // namespace anyvisor
