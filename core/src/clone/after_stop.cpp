// SPDX-License-Identifier: MIT
#include "clone/after_stop.hpp"

#include "instance/instance_record.hpp"
#include "process/background_job.hpp"
#include "settings/settings.hpp"

namespace anyvisor {

std::string prepare_after_stop(const Workspace& workspace, const std::string& id) {
  const auto settings = Settings::read(workspace.home.path());
  if (!settings) return "nothing was prepared: " + settings.error().message;
  if (!settings->flag("clone.prepare_after_stop")) return {};
  const auto record = read_instance(workspace.home.instance(id));
  if (!record || record->disk.empty()) return {};
  const std::string program = workspace.plugin_host.substr(0, workspace.plugin_host.rfind('/') + 1) + "job";
  auto started = start_job(program, workspace.home.path(), "prepare", id);
  return started ? std::string() : "nothing was prepared: " + started.error().message;
}

}  // namespace anyvisor
