// SPDX-License-Identifier: MIT
// doctor: what works on this host, what does not, why, and the command that mends it. What hypervisors need, their
// plugins tell.
#include <sys/statvfs.h>

#include "host/ask_plugin.hpp"
#include "instance/operations.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds probe_limit{60000};
// Below this, an overlay of a small system soon fills the disk.
constexpr std::uint64_t little_space = 2ULL << 30;

Finding examine_program(const std::string& program, const std::string& consequence, const std::string& remedy) {
  if (auto path = find_program(program)) return {program, true, *path, "", ""};
  return {program, false, "not found on PATH", consequence, remedy};
}

Finding examine_space(const std::string& home) {
  struct statvfs status {};
  if (statvfs(home.c_str(), &status) != 0) return {"space", false, "cannot be told", "", ""};
  std::uint64_t available = std::uint64_t{status.f_bavail} * status.f_frsize;
  std::string detail = std::to_string(available >> 30) + " GiB free in " + home;
  if (available >= little_space) return {"space", true, detail, "", ""};
  return {"space", false, detail, "images and disks may not fit",
          "make room, or choose another folder with ANYVISOR_HOME"};
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
      findings.push_back({plugin.id + " " + name.GetString(), false, json::string_or(answer, "reason"),
                          "images of " + plugin.id + " cannot be brought", json::string_or(answer, "remedy")});
}

// What a backend says of this host: its VMM and the accelerator.
void read_report(const PluginInfo& plugin, const json::Document& report, std::vector<Finding>& findings) {
  if (const auto* vmm = json::object_or_null(report, "vmm"))
    findings.push_back({plugin.id + " VMM", true,
                        json::string_or(*vmm, "name") + " " + json::string_or(*vmm, "version") + " (" +
                            json::string_or(*vmm, "path") + ")",
                        "", ""});
  if (const auto* accelerator = json::object_or_null(report, "accelerator")) {
    std::string name = json::string_or(*accelerator, "name"), reason = json::string_or(*accelerator, "reason");
    bool emulated = json::bool_or(*accelerator, "emulated", false);
    findings.push_back({plugin.id + " accelerator", !emulated, name + (reason.empty() ? "" : ": " + reason),
                        emulated ? "guests run in software emulation, many times slower" : "", ""});
  }
}

}  // namespace

Result<std::vector<Finding>> examine_host(const Workspace& workspace, Operation& operation) {
  PhaseClock clock(operation);
  std::vector<Finding> findings;
  clock.begin("programs");
  findings.push_back(examine_space(workspace.home.path()));
  findings.push_back(examine_program("qemu-img", "images cannot be imported or made", "apt install qemu-utils"));
  clock.begin("plugins");
  ANYVISOR_TRY(auto plugins, workspace.plugins.list(true));
  for (const auto& plugin : plugins) {
    std::string kind = kind_of(plugin);
    if (!plugin.error.empty()) {
      findings.push_back({"plugin " + (plugin.id.empty() ? plugin.path : plugin.id), false, plugin.error,
                          "it is not used", plugin.hint});
      continue;
    }
    findings.push_back({kind + " " + plugin.id, true, plugin.version + ", " + plugin.path, "", ""});
    if (method_of(kind).empty()) continue;
    clock.begin(plugin.id);
    auto client = HostClient::start_private(workspace.plugin_host, {plugin.path}, workspace.home.path());
    if (!client) return tl::unexpected(std::move(client).error());
    const auto params = plugin_params(plugin, json::make_object());
    auto report = client->call(method_of(kind), params, probe_limit, operation);
    if (report) {
      read_report(plugin, *report, findings);
      if (kind == "image-store") read_needs(plugin, *report, findings);
    } else {
      findings.back().ok = false;
      findings.back().detail = report.error().message;
      findings.back().consequence = kind + " " + plugin.id + " cannot be used";
      findings.back().remedy = report.error().hint;
    }
  }
  return findings;
}

}  // namespace anyvisor
