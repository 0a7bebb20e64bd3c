// SPDX-License-Identifier: MIT
#include "anyvisor/manager.hpp"

#include <dlfcn.h>

#include "clone/after_stop.hpp"
#include "guest/copy.hpp"
#include "guest/guest_operations.hpp"
#include "guest/wait.hpp"
#include "image/image_catalog.hpp"
#include "instance/locked_instance.hpp"
#include "instance/operations.hpp"
#include "settings/settings.hpp"
#include "storage/fd.hpp"

namespace anyvisor {
namespace {

// The folder of this library: the programs and plugins stand at fixed places relative to it, installed or built.
std::string library_folder() {
  Dl_info found{};
  if (dladdr(reinterpret_cast<const void*>(&library_folder), &found) == 0 || !found.dli_fname) return ".";
  std::string path = found.dli_fname;
  if (auto real = std::unique_ptr<char, decltype(&free)>(realpath(path.c_str(), nullptr), &free)) path = real.get();
  return path.substr(0, path.rfind('/'));
}

// Before an instance is changed. A home folder that is not there has none, and is not made for the question.
Result<void> check_there(const Workspace& workspace, const std::string& instance) {
  if (workspace.home.is_there()) return workspace.home.make();
  auto found = find_instance(workspace, instance);
  if (!found) return tl::unexpected<Error>(std::move(found).error());
  return {};
}

InstanceInfo with_already(InstanceInfo info, bool already) {
  info.already = already;
  return info;
}

}  // namespace

struct Manager::State_ {
  State_(Home home, std::string host, std::string plugins)
      : workspace(std::move(home), std::move(host), std::move(plugins)) {}
  Workspace workspace;
};

std::string_view version() {
  return ANYVISOR_VERSION;
}

Manager::Manager(std::unique_ptr<State_> state) : state_(std::move(state)) {}
Manager::Manager(Manager&&) noexcept = default;
Manager& Manager::operator=(Manager&&) noexcept = default;
Manager::~Manager() = default;

Result<Manager> Manager::open(ManagerOptions options) {
  ANYVISOR_TRY(Home home, Home::find(options.home));
  std::string folder = library_folder();
  if (options.plugin_host.empty()) options.plugin_host = folder + "/" ANYVISOR_LIBEXEC_FROM_LIB "/plugin-host";
  return Manager(
      std::make_unique<State_>(std::move(home), std::move(options.plugin_host), folder + "/anyvisor/plugins"));
}

const std::string& Manager::home() const {
  return state_->workspace.home.path();
}

Result<InstanceInfo> Manager::launch(const LaunchRequest& request, Operation& operation) {
  ANYVISOR_CHECK(state_->workspace.home.make());
  PhaseClock clock(operation);
  ANYVISOR_TRY(std::string id, anyvisor::launch(state_->workspace, request, clock));
  return wait_after(state_->workspace, id, "launched", request.wait, clock);
}

Result<InstanceInfo> Manager::clone(const CloneRequest& request, Operation& operation) {
  ANYVISOR_CHECK(check_there(state_->workspace, request.source));
  PhaseClock clock(operation);
  ANYVISOR_TRY(std::string id, anyvisor::clone(state_->workspace, request, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, id));
  if (!info.clone_consistency_reason.empty())
    info.warning = "the disk of \"" + info.name + "\" is as after a power cut: " + info.clone_consistency_reason;
  return info;
}

Result<std::vector<IdentityChange>> Manager::plan_clone(const CloneRequest& request, Operation& operation) {
  ANYVISOR_CHECK(check_there(state_->workspace, request.source));
  PhaseClock clock(operation);
  return anyvisor::plan_clone(state_->workspace, request, clock);
}

Result<void> Manager::prepare(const std::string& instance, Operation& operation) {
  ANYVISOR_CHECK(check_there(state_->workspace, instance));
  PhaseClock clock(operation);
  return anyvisor::prepare(state_->workspace, instance, clock);
}

Result<InstanceInfo> Manager::compact(const std::string& instance, Operation& operation) {
  ANYVISOR_CHECK(check_there(state_->workspace, instance));
  PhaseClock clock(operation);
  ANYVISOR_TRY(std::string id, anyvisor::compact(state_->workspace, instance, clock));
  clock.close();
  return anyvisor::info(state_->workspace, id);
}

Result<std::vector<IdentityUnitInfo>> Manager::identity_units(Operation& operation) {
  return anyvisor::identity_units(state_->workspace, operation);
}

Result<InstanceInfo> Manager::start(const std::string& instance, const StartRequest& request, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Changed started, anyvisor::start(state_->workspace, instance, request, clock));
  ANYVISOR_TRY(auto info, wait_after(state_->workspace, started.id, "started", request.wait, clock));
  return with_already(std::move(info), started.already);
}

Result<InstanceInfo> Manager::standby(const std::string& instance, const StandbyRequest& request,
                                      Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Changed done, anyvisor::standby(state_->workspace, instance, request, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, done.id));
  return with_already(std::move(info), done.already);
}

Result<InstanceInfo> Manager::restore(const std::string& instance, const WaitRequest& wait, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(std::string id, anyvisor::restore(state_->workspace, instance, clock));
  return wait_after(state_->workspace, id, "restored", wait, clock);
}

Result<InstanceInfo> Manager::pause(const std::string& instance, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Changed done, anyvisor::pause(state_->workspace, instance, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, done.id));
  return with_already(std::move(info), done.already);
}

Result<InstanceInfo> Manager::resume(const std::string& instance, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Changed done, anyvisor::resume(state_->workspace, instance, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, done.id));
  return with_already(std::move(info), done.already);
}

Result<InstanceInfo> Manager::stop(const std::string& instance, const StopRequest& request, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Stopped stopped, anyvisor::stop(state_->workspace, instance, request, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, stopped.id));
  info.forced = stopped.forced;
  info.already = stopped.already;
  info.warning = stopped.warning;
  if (auto warning = prepare_after_stop(state_->workspace, stopped.id); !warning.empty())
    info.warning += (info.warning.empty() ? "" : "; ") + warning;
  return info;
}

Result<void> Manager::remove(const std::string& instance, const DeleteRequest& request, Operation& operation) {
  PhaseClock clock(operation);
  return anyvisor::remove(state_->workspace, instance, request, clock);
}

Result<InstanceInfo> Manager::restart(const std::string& instance, const RestartRequest& request,
                                      Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Stopped restarted, anyvisor::restart(state_->workspace, instance, request, clock));
  ANYVISOR_TRY(auto info, wait_after(state_->workspace, restarted.id, "restarted", request.wait, clock));
  info.forced = restarted.forced;
  if (!restarted.warning.empty()) info.warning = restarted.warning + (info.warning.empty() ? "" : "; " + info.warning);
  return info;
}

Result<InstanceInfo> Manager::recover(const std::string& instance, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Changed done, anyvisor::undelete(state_->workspace, instance, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, done.id));
  return with_already(std::move(info), done.already);
}

Result<void> Manager::purge(const std::string& instance, Operation& operation) {
  PhaseClock clock(operation);
  return anyvisor::purge(state_->workspace, instance, clock);
}

Result<InstanceInfo> Manager::rename(const std::string& instance, const std::string& name, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(const Changed done, anyvisor::rename(state_->workspace, instance, name, clock));
  clock.close();
  ANYVISOR_TRY(auto info, anyvisor::info(state_->workspace, done.id));
  return with_already(std::move(info), done.already);
}

Result<InstanceInfo> Manager::change(const std::string& instance, const ChangeRequest& request, Operation& operation) {
  PhaseClock clock(operation);
  ANYVISOR_TRY(std::string id, anyvisor::change(state_->workspace, instance, request, clock));
  clock.close();
  return anyvisor::info(state_->workspace, id);
}

Result<std::vector<Leftover>> Manager::prune(const PruneRequest& request, Operation& operation) {
  PhaseClock clock(operation);
  return anyvisor::prune(state_->workspace, request, clock);
}

Result<std::vector<InstanceInfo>> Manager::list() {
  return anyvisor::list(state_->workspace);
}

Result<InstanceInfo> Manager::info(const std::string& instance) {
  return anyvisor::info(state_->workspace, instance);
}

Result<std::string> Manager::log(const std::string& instance, LogSource source) {
  ANYVISOR_TRY(auto record, find_instance(state_->workspace, instance));
  // Rotated logs are bounded; this only stops a runaway file.
  constexpr std::size_t limit = 256u << 20;
  const char* name = source == LogSource::vmm ? "vmm" : source == LogSource::anyvisor ? "anyvisor" : "console";
  const std::string path = state_->workspace.home.instance(record.id) + "/logs/" + name + ".log";
  std::string text;
  for (const auto& file : {path + ".1", path}) {
    auto part = read_file(file, limit);
    if (part)
      text += *part;
    else if (part.error().kind != ErrorKind::not_found)
      return tl::unexpected(std::move(part).error());
  }
  return text;
}

Result<int> Manager::exec(const std::string& instance, const ExecRequest& request, Operation& operation) {
  return anyvisor::exec(state_->workspace, instance, request, operation);
}

Result<void> Manager::copy(const CopyRequest& request, Operation& operation) {
  return anyvisor::copy(state_->workspace, request, operation);
}

Result<WaitResult> Manager::wait(const std::string& instance, const WaitRequest& request, Operation& operation) {
  PhaseClock clock(operation);
  return wait_for(state_->workspace, instance, request, clock);
}

Result<ImageInfo> Manager::import_image(const ImportRequest& request, Operation& operation) {
  ANYVISOR_CHECK(state_->workspace.home.make());
  PhaseClock clock(operation);
  return anyvisor::import_image(state_->workspace, request, clock);
}

Result<std::vector<ImageInfo>> Manager::images() {
  return anyvisor::images(state_->workspace);
}

Result<ImageInfo> Manager::image(const std::string& image) {
  return anyvisor::image(state_->workspace, image);
}

Result<void> Manager::remove_image(const std::string& image, Operation& operation) {
  PhaseClock clock(operation);
  return anyvisor::remove_image(state_->workspace, image, clock);
}

Result<std::vector<PluginInfo>> Manager::plugins(bool fresh) {
  return state_->workspace.plugins.list(fresh);
}

Result<PluginInfo> Manager::check_plugin(const std::string& file) {
  return state_->workspace.plugins.check(file);
}

Result<std::vector<SettingInfo>> Manager::settings() {
  ANYVISOR_TRY(const Settings settings, Settings::read(home()));
  std::vector<SettingInfo> all;
  for (const auto& definition : setting_definitions())
    all.push_back({std::string(definition.key), settings.value(definition.key), std::string(definition.fallback),
                   std::string(definition.summary)});
  return all;
}

Result<void> Manager::change_settings(const std::vector<std::pair<std::string, std::string>>& changes) {
  constexpr std::chrono::milliseconds patience{10000};
  ANYVISOR_CHECK(state_->workspace.home.make());
  ANYVISOR_TRY(const FileLock lock, FileLock::acquire(state_->workspace.home.names_lock(), FileLock::Mode::exclusive,
                                                      patience, "the home folder"));
  ANYVISOR_TRY(Settings settings, Settings::read(home()));
  for (const auto& [key, value] : changes) ANYVISOR_CHECK(settings.set(key, value));
  return settings.write(home());
}

Result<std::vector<Finding>> Manager::doctor(Operation& operation) {
  return examine_host(state_->workspace, operation);
}

}  // namespace anyvisor
