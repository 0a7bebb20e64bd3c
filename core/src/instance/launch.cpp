// SPDX-License-Identifier: MIT
// launch: check, stage, publish, start. A launch that fails or is killed leaves nothing.
#include "host/ask_plugin.hpp"
#include "image/bring_image.hpp"
#include "instance/collect.hpp"
#include "instance/identifier.hpp"
#include "instance/intent.hpp"
#include "instance/launch_identity.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/publish.hpp"
#include "instance/spec_checks.hpp"
#include "instance/staged_folder.hpp"
#include "process/process_identity.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds host_patience{10000};
constexpr milliseconds collect_patience{2000};

Result<void> check_request(const Home& home, const LaunchRequest& request) {
  if (!request.name.empty()) ANYVISOR_CHECK(check_name(request.name));
  ANYVISOR_CHECK(check_cpus(request.cpus));
  ANYVISOR_CHECK(check_memory(home, request.memory));
  if (request.networks)
    for (const auto& network : *request.networks)
      for (const auto& port : network.publish)
        if (port.guest_port == 0)
          return fail(ErrorKind::invalid_argument, "a published port needs a port of the guest",
                      "give HOST:GUEST, for instance 8080:80", "/networks/publish");
  return {};
}

// Those of the backends that can run machines on this host. One whose hypervisor is not installed says so at once; one
// that has no accelerator here has found out before, mostly.
struct UsableBackends {
  std::vector<std::string> ids;
  std::string others, hints;  // why each of the others cannot, and what helps: "ID: ...; ID: ..."
};
UsableBackends usable_backends(const Workspace& workspace, const std::vector<PluginInfo>& backends,
                               Operation& operation) {
  constexpr milliseconds limit{60000};  // may probe an accelerator
  // About a machine, though nothing is known of it yet: what a launch has no time for is left out of the answer.
  auto request = json::make_object();
  json::set_value(request, request, "machine", json::Value(rapidjson::kObjectType));
  UsableBackends usable;
  for (const auto& backend : backends) {
    const auto report = ask_plugin(workspace.plugin_host, backend, "backend.capabilities", request, limit, operation,
                                   workspace.home.path());
    if (report && accelerator_of(*report) != no_accelerator) {
      usable.ids.push_back(backend.id);
      continue;
    }
    const std::string why = report ? accelerator_reason_of(*report) : report.error().message;
    usable.others += (usable.others.empty() ? "" : "; ") + backend.id + ": " + why;
    if (!report && !report.error().hint.empty())
      usable.hints += (usable.hints.empty() ? "" : "; ") + backend.id + ": " + report.error().hint;
  }
  return usable;
}

// The backend asked for, or the only one that can be used here.
Result<std::string> choose_backend(const Workspace& workspace, const std::string& asked, Operation& operation) {
  if (!asked.empty()) {
    ANYVISOR_TRY(auto plugin, workspace.plugins.find(asked, "backend"));
    return plugin.id;
  }
  ANYVISOR_TRY(auto backends, workspace.plugins.of_kind("backend"));
  if (backends.size() == 1) return backends.front().id;
  if (backends.empty())
    return fail(ErrorKind::unavailable, "there is no backend to run a machine with", "see 'anyvisor plugins list'");
  const auto usable = usable_backends(workspace, backends, operation);
  if (usable.ids.size() == 1) return usable.ids.front();
  if (usable.ids.empty())
    return fail(ErrorKind::unavailable, "no backend can run a machine on this host (" + usable.others + ")",
                (usable.hints.empty() ? "" : usable.hints + "; ") + "see 'anyvisor doctor'");
  std::string list;
  for (const auto& id : usable.ids) list += (list.empty() ? "" : ", ") + id;
  return fail(ErrorKind::invalid_argument, "there are several backends: " + list, "choose one with --backend",
              "/backend");
}

Result<void> choose_boot(const LaunchRequest& request, const ImageRecord& image, InstanceRecord& record) {
  Firmware firmware = request.firmware;
  if (firmware == Firmware::automatic)
    firmware = image.has_kernel ? Firmware::kernel : image.firmware == "bios" ? Firmware::bios : Firmware::uefi;
  if (firmware == Firmware::kernel) {
    if (!image.has_kernel)
      return fail(ErrorKind::invalid_argument, "image \"" + image.name + "\" has no kernel of its own to boot",
                  "boot its disk with --firmware uefi or bios, or import the image with --kernel", "/firmware");
    record.boot_method = "kernel";
    record.has_initrd = image.has_initrd;
    record.command_line = image.command_line;
    if (!request.command_line.empty())
      record.command_line += (record.command_line.empty() ? "" : " ") + request.command_line;
    return {};
  }
  if (image.disk.empty())
    return fail(ErrorKind::invalid_argument, "image \"" + image.name + "\" has no disk that firmware could boot",
                "leave --firmware out", "/firmware");
  if (!request.command_line.empty())
    return fail(ErrorKind::invalid_argument,
                "a kernel command line goes with a kernel, and this machine boots by firmware", "leave --cmdline out",
                "/command_line");
  record.boot_method = "firmware";
  record.firmware = firmware == Firmware::bios ? "bios" : "uefi";
  return {};
}

void choose_networks(const LaunchRequest& request, InstanceRecord& record) {
  auto networks = request.networks.value_or(std::vector<NetworkRequest>{NetworkRequest{}});
  for (std::size_t i = 0; i < networks.size(); ++i)
    record.networks.push_back(
        {"net" + std::to_string(i), networks[i].plugin, "", networks[i].restricted, networks[i].publish});
}

Result<void> stage_files(const Workspace& workspace, const ImageRecord& image, std::uint64_t disk_size,
                         StagedFolder& staged, InstanceRecord& record) {
  std::string source = workspace.home.images() + "/" + image.id;
  if (record.boot_method == "kernel") {
    ANYVISOR_CHECK(staged.link_or_copy(source + "/kernel", "kernel"));
    if (record.has_initrd) ANYVISOR_CHECK(staged.link_or_copy(source + "/initrd", "initrd"));
  }
  if (image.disk.empty()) return {};
  ANYVISOR_TRY(Disk backing, workspace.disks.read(image.disk));
  record.disk = new_id();
  ANYVISOR_CHECK(workspace.disks.create_overlay(record.disk, backing, disk_size, "instance " + record.id));
  return {};
}

Result<void> start_machine(const Workspace& workspace, LockedInstance& locked,
                           const std::optional<GuestIdentity>& identity, PhaseClock& clock) {
  Operation& operation = clock.operation();
  clock.begin("plugin-host");
  ANYVISOR_TRY(auto machine, MachineControl::reach(workspace, locked.record, host_patience));
  clock.begin("capabilities");
  ANYVISOR_CHECK(machine.check_capabilities(operation));
  if (identity) {
    clock.begin("seed");
    ANYVISOR_CHECK(write_seed(*identity, locked.record, machine, operation));
  }
  clock.begin("VMM start");
  ANYVISOR_TRY(locked.record.hardware, machine.create(operation));
  clock.begin("boot");
  ANYVISOR_CHECK(machine.boot(operation));
  clock.begin("record");
  locked.record.last_operation = "launch";
  locked.record.last_phases = operation.phases;
  ANYVISOR_CHECK(write_instance(locked.folder, locked.record, "instance.record"));
  return clear_intent(locked.folder);
}

void undo(const Workspace& workspace, LockedInstance locked) {
  Operation quiet;
  // What cannot be undone now still has its intent: the next command undoes it.
  if (end_vmm(workspace, locked.record, quiet)) (void)dispose(workspace, std::move(locked));
}

}  // namespace

Result<std::string> launch(const Workspace& workspace, const LaunchRequest& request, PhaseClock& clock) {
  clock.begin("check");
  ANYVISOR_CHECK(check_request(workspace.home, request));
  UserData user_data;
  if (!request.user_data.empty()) {
    ANYVISOR_TRY(user_data, read_user_data(request.user_data));
  }
  recover_unfinished(workspace);
  InstanceRecord record;
  record.name = request.name;
  // What can be refused now is refused before minutes go into bringing an image.
  ANYVISOR_TRY(record.backend, choose_backend(workspace, request.backend, clock.operation()));
  if (!record.name.empty()) ANYVISOR_CHECK(check_name_is_free(workspace, record.name));
  ANYVISOR_TRY(ImageRecord image, bring_image(workspace, request.image, clock));
  if (request.disk != 0 && request.disk < image.virtual_size)
    return fail(ErrorKind::invalid_argument,
                "a disk of " + std::to_string(request.disk) + " bytes is smaller than the image's (" +
                    std::to_string(image.virtual_size) + ")",
                "leave --disk out, or give more", "/disk");
  record.image = image.name;
  record.image_id = image.id;
  record.cpus = request.cpus;
  record.memory = request.memory;
  ANYVISOR_CHECK(choose_boot(request, image, record));
  choose_networks(request, record);
  record.id = new_id();
  record.created = now_utc();
  record.smbios_uuid = new_random_uuid();
  record.vmgenid = new_random_uuid();
  clock.begin("keys");
  ANYVISOR_TRY(const auto identity, choose_identity(workspace, image, std::move(user_data), record));
  // What would never come about is refused now, not once the machine runs.
  if (!identity && (request.wait.condition == WaitFor::ssh || request.wait.condition == WaitFor::cloud_init))
    return fail(ErrorKind::unsupported,
                "image \"" + image.name + "\" is not one that cloud-init sets up: no login would ever answer",
                "leave --wait out, or import the image with 'anyvisor image import FILE --cloud-init'", "/wait");

  clock.begin("disk");
  auto build = [&]() -> Result<LockedInstance> {
    ANYVISOR_TRY(StagedFolder staged, StagedFolder::make(workspace, record.id));
    ANYVISOR_CHECK(stage_files(workspace, image, request.disk, staged, record));
    if (identity) ANYVISOR_CHECK(stage_identity(*identity, staged));
    clock.begin("publish");
    return publish_instance(workspace, std::move(staged), std::move(record), make_up_name, "launch");
  };
  auto locked = build();
  if (!locked) {
    (void)collect(workspace, collect_patience);
    return tl::unexpected(std::move(locked).error());
  }
  std::string id = locked->record.id, name = locked->record.name;
  if (auto started = start_machine(workspace, *locked, identity, clock); !started) {
    clock.begin("undo");
    undo(workspace, std::move(*locked));
    return in_context("cannot launch \"" + name + "\"", std::move(started).error());
  }
  return id;
}

}  // namespace anyvisor
