// SPDX-License-Identifier: MIT
// The state of an instance is derived each time, never trusted from a file.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "instance/machine_control.hpp"
#include "instance/state_machine.hpp"
#include "process/process_identity.hpp"
#include "standby/manifest.hpp"
#include "storage/lock.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

// `list` and `info` answer soon even when a plugin-host hangs.
constexpr milliseconds status_limit{500};
constexpr milliseconds adoption_limit{2000};
constexpr milliseconds kill_limit{5000};
constexpr milliseconds exit_record_limit{200};

Result<Observed> ask_host(const std::string& folder) {
  ANYVISOR_TRY(HostClient client, HostClient::connect(folder, status_limit));
  ANYVISOR_TRY(auto status, client.call("status", json::make_object(), status_limit));
  if (!json::bool_or(status, "attached", false)) return fail(ErrorKind::not_ready, "not attached");
  return Observed{state_from_wire(json::string_or(status, "state")), json::string_or(status, "reason")};
}

// The VMM has ended, or never was. Its plugin-host, if there is one, is just writing down how.
Observed stopped(const std::string& folder) {
  auto record = read_process_record(folder);
  if (!record) return {State::stopped, ""};
  const auto until = std::chrono::steady_clock::now() + exit_record_limit;
  while (!record->exit && !FileLock::is_free(folder + "/host.lock") && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(milliseconds(2));
    if (auto again = read_process_record(folder)) record = std::move(again);
  }
  if (record->exit) return {State::stopped, record->exit->reason};
  return {State::stopped, "its VMM ended while nobody was watching"};
}

// Nothing when it has ended, or never was.
std::optional<Observed> living_vmm(const Workspace& workspace, const InstanceRecord& instance) {
  const std::string folder = workspace.home.instance(instance.id);
  auto record = read_process_record(folder);
  if (!record) {
    if (record.error().kind == ErrorKind::not_found) return std::nullopt;
    return Observed{State::unknown, record.error().message};
  }
  if (!is_alive(*record, workspace.home.path())) return std::nullopt;
  auto answer = ask_host(folder);
  if (answer) return *answer;
  auto control = MachineControl::reach(workspace, instance, adoption_limit);
  if (control) return control->observed();
  // It may have ended while we asked.
  record = read_process_record(folder);
  if (record && !is_alive(*record, workspace.home.path())) return std::nullopt;
  return Observed{State::unknown, control.error().message};
}

}  // namespace

Observed observe_vmm(const Workspace& workspace, const InstanceRecord& instance) {
  if (auto living = living_vmm(workspace, instance)) return *living;
  return stopped(workspace.home.instance(instance.id));
}

Observed observe(const Workspace& workspace, const InstanceRecord& instance) {
  const std::string folder = workspace.home.instance(instance.id);
  const auto living = living_vmm(workspace, instance);
  // A guest that runs has no saved state: what there is of one is a leftover. A VMM that does not answer may run one.
  if (living && (living->state == State::running || living->state == State::unknown)) return *living;
  const auto manifest = read_manifest(folder);
  if (!manifest) return {State::standby, manifest.error().message};
  if (*manifest && is_kept(**manifest, workspace.home.path())) return {State::standby, ""};
  Observed seen = living ? *living : stopped(folder);
  if (seen.state != State::stopped) return seen;
  if (*manifest)
    return {State::stopped,
            "it was put into standby with --no-durable, and the plugin-host that kept its memory has ended"};
  const auto consumed = read_manifest(folder, consumed_name);
  if (consumed && *consumed && (*consumed)->save != instance.restored_save)
    seen.reason += std::string(seen.reason.empty() ? "" : "; ") +
                   "its restore was interrupted when the saved memory was in use already";
  return seen;
}

Result<void> end_vmm(const Workspace& workspace, const InstanceRecord& instance, Operation& operation) {
  std::string folder = workspace.home.instance(instance.id);
  auto record = read_process_record(folder);
  if (!record || !is_alive(*record, workspace.home.path())) return {};
  if (auto control = MachineControl::reach(workspace, instance, adoption_limit))
    if (control->terminate(true, operation)) return {};
  auto process = open_process(record->process);
  if (!process) return {};
  if (syscall(SYS_pidfd_send_signal, process->get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH)
    return fail_errno("cannot end the VMM of \"" + instance.name + "\"", errno);
  pollfd ended{process->get(), POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(kill_limit.count())) == 1) return {};
  return fail(ErrorKind::timeout,
              "the VMM of \"" + instance.name + "\" (pid " + std::to_string(record->process.pid) +
                  ") does not end, though it was killed",
              "it may wait for a disk or a network file system that does not answer");
}

}  // namespace anyvisor
