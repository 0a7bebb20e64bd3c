// SPDX-License-Identifier: MIT
// clone: freeze, prepare (once), make the disk, publish. A clone that fails or is killed leaves nothing.
#include <algorithm>

#include "clone/clone_name.hpp"
#include "clone/clone_values.hpp"
#include "clone/own_file.hpp"
#include "clone/prepared.hpp"
#include "clone/source.hpp"
#include "clone/source_disk.hpp"
#include "host/ask_plugin.hpp"
#include "identity/cloud_config.hpp"
#include "identity/first_keys.hpp"
#include "identity/home_key.hpp"
#include "instance/collect.hpp"
#include "instance/identifier.hpp"
#include "instance/locked_instance.hpp"
#include "instance/machine_control.hpp"
#include "instance/operations.hpp"
#include "instance/pending_seed.hpp"
#include "instance/publish.hpp"
#include "instance/spec_checks.hpp"
#include "instance/state_machine.hpp"
#include "process/process_identity.hpp"
#include "storage/fd.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds collect_patience{2000};

Result<void> check_request(const Home& home, const CloneRequest& request) {
  if (!request.name.empty()) ANYVISOR_CHECK(check_name(request.name));
  if (request.cpus != 0) ANYVISOR_CHECK(check_cpus(request.cpus));
  if (request.memory != 0) ANYVISOR_CHECK(check_memory(home, request.memory));
  if (!request.keep.empty() && request.identity != CloneIdentity::full)
    return fail(ErrorKind::invalid_argument, "--keep chooses among what --identity full does",
                "leave one of the two out", "/keep");
  return {};
}

// Whether the appliance of libguestfs is to be emulated: unless the source's backend found out that KVM works on this
// host.
bool emulates(const Workspace& workspace, const std::string& backend, Operation& operation) {
  auto plugin = workspace.plugins.find(backend, "backend");
  if (!plugin) return true;
  constexpr milliseconds limit{60000};
  auto report = ask_plugin(workspace.plugin_host, *plugin, "backend.capabilities", json::make_object(), limit,
                           operation, workspace.home.path());
  return !report || accelerator_of(*report) != "kvm";
}

std::vector<std::string> macs_of(const InstanceRecord& record) {
  std::vector<std::string> macs;
  for (const auto& network : record.networks) macs.push_back(network.mac);
  return macs;
}

GeneralizeTask generalize_task(const Workspace& workspace, const InstanceRecord& source, std::uint64_t size,
                               Operation& operation) {
  return {source.name, macs_of(source), size,
          [&workspace, backend = source.backend, &operation] { return emulates(workspace, backend, operation); }};
}

// What the clone is, but for name and MACs. Published ports get another port of this host: the source may run as well.
InstanceRecord derive(const InstanceRecord& source, const CloneRequest& request, std::string id) {
  InstanceRecord record = source;
  record.id = std::move(id);
  record.name = request.name;
  record.created = now_utc();
  record.deleted.clear();
  record.disk.clear();
  if (request.cpus != 0) record.cpus = request.cpus;
  if (request.memory != 0) record.memory = request.memory;
  for (auto& network : record.networks)
    for (auto& port : network.publish) port.host_port = 0;
  record.smbios_uuid = new_random_uuid();
  record.vmgenid = new_random_uuid();
  record.cloned_from = source.name;
  record.clone_strategy.clear();
  record.clone_identity = "none";
  record.clone_consistency.clear();
  record.clone_consistency_reason.clear();
  record.clone_base.clear();
  record.saved.clear();
  record.restored.clear();
  record.restored_save.clear();
  record.last_operation.clear();
  record.last_phases.clear();
  return record;
}

Result<void> stage_boot_files(const Workspace& workspace, const InstanceRecord& source, StagedFolder& staged) {
  const std::string folder = workspace.home.instance(source.id);
  if (source.boot_method == "kernel") {
    ANYVISOR_CHECK(staged.link_or_copy(folder + "/kernel", "kernel"));
    if (source.has_initrd) ANYVISOR_CHECK(staged.link_or_copy(folder + "/initrd", "initrd"));
  } else if (source.firmware == "uefi") {
    auto copied = staged.copy(folder + "/nvram.fd", "nvram.fd");
    if (!copied && copied.error().kind != ErrorKind::not_found)
      return copied;  // never started: it gets one at its start
  }
  return {};
}

// With --identity none the clone keeps its source's keys, under the clone's own alias.
Result<void> stage_same_seed(const Workspace& workspace, const InstanceRecord& source, const std::string& id,
                             StagedFolder& staged) {
  const std::string folder = workspace.home.instance(source.id);
  for (const char* name : {"seed.iso", "seed.json", "user-data"}) {
    auto copied = staged.copy(folder + "/" + name, name);
    if (!copied && copied.error().kind != ErrorKind::not_found) return copied;
  }
  auto lines = read_file(workspace.home.known_hosts(source.id));
  if (!lines)
    return lines.error().kind == ErrorKind::not_found ? Result<void>() : tl::unexpected(std::move(lines).error());
  const std::string before = Home::host_key_alias(source.id), after = Home::host_key_alias(id);
  for (auto at = lines->find(before); at != std::string::npos; at = lines->find(before, at + after.size()))
    lines->replace(at, before.size(), after);
  return staged.write("known_hosts", *lines);
}

// What is to run once more in the clone; empty: nothing.
Result<std::string> user_data_of(const Workspace& workspace, const InstanceRecord& source,
                                 const CloneRequest& request) {
  if (!request.rerun_user_data) return std::string();
  auto text = read_file(workspace.home.instance(source.id) + "/user-data");
  if (!text && text.error().kind == ErrorKind::not_found) return std::string();
  return text;
}

// Everything that is this one clone's own, and its making.
class Cloning {
 public:
  // `id`: the clone's; `user_data`: the source's, where it is to run again.
  Cloning(const Workspace& workspace, const CloneRequest& request, InstanceRecord source, std::string id,
          std::string user_data, PhaseClock& clock)
      : workspace_(workspace),
        request_(request),
        source_(std::move(source)),
        id_(std::move(id)),
        user_data_(std::move(user_data)),
        clock_(clock) {}

  // `disk`: of a source with one; `prepared`: with --identity full.
  Result<std::string> run(StagedFolder staged, SourceDisk* disk, const Prepared* prepared) {
    InstanceRecord record = derive(source_, request_, id_);
    clock_.begin("keys");
    ANYVISOR_TRY(identity_, choose_identity(record));
    if (identity_ && prepared) {
      ANYVISOR_TRY(fillers_, make_missing_keys(*identity_, prepared->slots));
    }
    record.clone_identity = request_.identity == CloneIdentity::none                ? "none"
                            : request_.identity == CloneIdentity::seed || !prepared ? "seed"
                            : prepared->distrust.empty() && request_.keep.empty()   ? "slots"
                                                                                    : "rewrite";
    if (disk) {
      record.disk = new_id();
      record.clone_consistency = disk->top.consistency;
      record.clone_consistency_reason = disk->top.consistency_reason;
      record.clone_base = disk->top.disk.id;
      ANYVISOR_CHECK(make_own_file_if_chosen(record, *disk, prepared));
      record.clone_strategy = strategy_name(disk->chosen.strategy);
      clock_.note("strategy: " + record.clone_strategy + ", as " + disk->chosen.reason);
    }
    clock_.begin("publish");
    ANYVISOR_TRY(LockedInstance clone,
                 publish_instance(
                     workspace_, std::move(staged), std::move(record),
                     [&](const IsTaken& is_taken) { return clone_name(source_.name, is_taken); }, "",
                     [&](const InstanceRecord& chosen, StagedFolder& folder) -> Result<void> {
                       // What is small first: the disk's flush then takes most of it along.
                       clock_.begin("seed");
                       ANYVISOR_CHECK(stage_identity(chosen, folder));
                       clock_.begin("disk");
                       if (disk) ANYVISOR_CHECK(make_disk(chosen, disk->top, prepared));
                       clock_.begin("flush");
                       ANYVISOR_CHECK(folder.flush_written());
                       clock_.begin("publish");
                       return {};
                     }));
    return clone.record.id;
  }

 private:
  Result<std::optional<GuestIdentity>> choose_identity(const InstanceRecord& record) {
    if (request_.identity == CloneIdentity::none) return std::nullopt;
    if (request_.identity == CloneIdentity::seed && !source_.has_seed) return std::nullopt;
    UserData user_data;
    if (!user_data_.empty()) {
      ANYVISOR_TRY(user_data, read_user_data(user_data_));
    }
    ANYVISOR_TRY(std::string key, home_public_key(workspace_.home));
    ANYVISOR_TRY(auto identity, make_identity(record.id, source_.user, std::move(key), std::move(user_data)));
    return std::optional<GuestIdentity>(std::move(identity));
  }

  Result<std::map<std::string, std::string>> values(const InstanceRecord& record) const {
    return make_values({record.name, macs_of(record)}, identity_->host_keys, fillers_);
  }

  // Before the clone has a name, since it may take long and others wait for the list of names.
  Result<void> make_own_file_if_chosen(const InstanceRecord& record, SourceDisk& disk, const Prepared* prepared) {
    if (disk.chosen.strategy == CloneStrategy::overlay) return {};
    const OwnFileTask task{disk.top.disk, record.clone_identity == "slots" ? prepared : nullptr, record.disk,
                           std::max(request_.disk, disk.top.virtual_size), "instance " + record.id};
    ANYVISOR_TRY(own_file_, make_own_file(workspace_, task, disk.chosen, clock_));
    return {};
  }

  Result<void> make_disk(const InstanceRecord& record, const FrozenTop& top, const Prepared* prepared) {
    if (own_file_) {
      if (record.clone_identity == "rewrite") return rewrite(record, *own_file_);
      if (record.clone_identity != "slots") return {};
      ANYVISOR_TRY(const auto own, values(record));
      return write_slots(workspace_.disks.path(*own_file_), own_file_->format, prepared->slots, own);
    }
    const std::string origin = "instance " + record.id;
    const std::uint64_t size = std::max(request_.disk, top.virtual_size);
    if (record.clone_identity != "slots") {
      ANYVISOR_TRY(Disk disk, workspace_.disks.create_overlay(record.disk, top.disk, size, origin));
      return record.clone_identity == "rewrite" ? rewrite(record, disk) : Result<void>();
    }
    ANYVISOR_TRY(Disk generalized, workspace_.disks.read(prepared->generalized));
    ANYVISOR_TRY(auto clusters, clusters_of(workspace_.disks.path(generalized), prepared->slots));
    ANYVISOR_TRY(auto own, values(record));
    ANYVISOR_CHECK(fill_slots(clusters, prepared->slots, own));
    ANYVISOR_CHECK(workspace_.disks.create_overlay(record.disk, generalized, size, origin, clusters));
    return {};
  }

  // Where slots are not trusted: libguestfs writes into the clone's own disk.
  Result<void> rewrite(const InstanceRecord& record, const Disk& disk) {
    IdentityTask task;
    task.action = "rewrite";
    task.disk = workspace_.disks.path(disk);
    task.format = disk.format;
    ANYVISOR_TRY(task.written, written_since_image(workspace_.disks, disk));
    task.emulate = emulates(workspace_, source_.backend, clock_.operation());
    task.source_name = source_.name;
    task.source_macs = macs_of(source_);
    task.skip = request_.keep;
    ANYVISOR_TRY(task.values, values(record));
    ANYVISOR_CHECK(IdentityWorker(workspace_.identity_worker).run(task, clock_.operation()));
    return workspace_.disks.flush(disk);
  }

  Result<void> stage_identity(const InstanceRecord& record, StagedFolder& staged) {
    if (!identity_ || !source_.has_seed) return {};
    if (!identity_->user_data.text.empty()) ANYVISOR_CHECK(staged.write("user-data", identity_->user_data.text));
    ANYVISOR_CHECK(stage_seed(seed_files(*identity_, record.name, macs_of(record)), staged));
    return staged.write("known_hosts", known_hosts_lines(*identity_, Home::host_key_alias(record.id)));
  }

  const Workspace& workspace_;
  const CloneRequest& request_;
  const InstanceRecord source_;
  const std::string id_, user_data_;
  PhaseClock& clock_;
  std::optional<GuestIdentity> identity_;
  std::vector<SshKey> fillers_;  // of slots that cloud-init will fill
  std::optional<Disk> own_file_;
};

Result<void> check_keep(const Workspace& workspace, const CloneRequest& request, Operation& operation) {
  if (request.keep.empty()) return {};
  ANYVISOR_TRY(auto units, IdentityWorker(workspace.identity_worker).units(operation));
  for (const auto& name : request.keep)
    if (std::ranges::find(units, name, &IdentityUnitInfo::name) == units.end())
      return fail(ErrorKind::invalid_argument, "there is no identity item \"" + name + "\"",
                  "see 'anyvisor identity list'", "/keep");
  return {};
}

}  // namespace

Result<std::string> clone(const Workspace& workspace, const CloneRequest& request, PhaseClock& clock) {
  clock.begin("check");
  ANYVISOR_CHECK(check_request(workspace.home, request));
  const FirstKeys first_keys;
  recover_unfinished(workspace);
  if (!request.name.empty()) ANYVISOR_CHECK(check_clone_name(workspace, request));
  ANYVISOR_CHECK(check_keep(workspace, request, clock.operation()));
  ANYVISOR_CHECK(find_instance(workspace, request.source));  // before anything is made that a damaged home keeps
  std::optional<SourceDisk> disk;
  auto build = [&]() -> Result<std::string> {
    std::optional<Prepared> prepared;
    const std::string id = new_id();
    ANYVISOR_TRY(StagedFolder staged, StagedFolder::make(workspace, id));  // keeps collections away from here on
    ANYVISOR_TRY(CloneSource found, lock_source(workspace, request.source));
    LockedInstance& locked = found.locked;
    if (!locked.record.disk.empty()) {
      ANYVISOR_TRY(disk, take_source_disk(workspace, locked, found.state, request, clock));
    }
    // All that is taken from the source's own folder is taken now: without its lock it may start, change and go.
    clock.begin("boot files");
    InstanceRecord source = locked.record;
    ANYVISOR_CHECK(stage_boot_files(workspace, source, staged));
    if (request.identity == CloneIdentity::none && source.has_seed)
      ANYVISOR_CHECK(stage_same_seed(workspace, source, id, staged));
    ANYVISOR_TRY(std::string user_data, user_data_of(workspace, source, request));
    const bool is_frozen = !disk || disk->chosen.overlays;
    if (is_frozen) locked.lock.release();
    if (disk && request.identity == CloneIdentity::full) {
      clock.begin("prepare");
      if (is_frozen) {
        ANYVISOR_TRY(prepared, prepare(workspace, IdentityWorker(workspace.identity_worker), disk->top.disk,
                                       generalize_task(workspace, source, disk->top.virtual_size, clock.operation()),
                                       clock.operation()));
      } else {
        prepared.emplace().distrust = disk->chosen.reason;
      }
    }
    Cloning cloning(workspace, request, std::move(source), id, std::move(user_data), clock);
    return cloning.run(std::move(staged), disk ? &*disk : nullptr, prepared ? &*prepared : nullptr);
  };
  auto id = build();
  if (!id || (disk && disk->merged)) (void)collect(workspace, collect_patience);
  if (!id) {
    if (id.error().kind == ErrorKind::unsupported && id.error().hint.empty())
      id.error().hint = "with --identity seed or none it is cloned all the same; see 'anyvisor clone --help'";
  }
  return id;
}

Result<void> prepare(const Workspace& workspace, const std::string& instance, PhaseClock& clock) {
  clock.begin("check");
  recover_unfinished(workspace);
  ANYVISOR_CHECK(find_instance(workspace, instance));  // as in clone
  std::optional<SourceDisk> disk;
  auto run = [&]() -> Result<void> {
    // Published never; where we are killed it tells that disks may be left over.
    ANYVISOR_TRY(StagedFolder mark, StagedFolder::make(workspace, new_id()));
    InstanceRecord source;
    {
      ANYVISOR_TRY(LockedInstance locked, lock_stopped_source(workspace, instance, "prepare"));
      if (locked.record.disk.empty()) return mark.discard();
      ANYVISOR_TRY(disk, take_source_disk(workspace, locked, State::stopped, {}, clock));
      if (!disk->chosen.overlays)
        return fail(ErrorKind::unsupported,
                    "there is nothing to prepare for \"" + locked.record.name + "\": " + disk->chosen.reason,
                    "clone it all the same: it takes longer");
      source = locked.record;
    }
    clock.begin("prepare");
    ANYVISOR_CHECK(prepare(workspace, IdentityWorker(workspace.identity_worker), disk->top.disk,
                           generalize_task(workspace, source, disk->top.virtual_size, clock.operation()),
                           clock.operation()));
    return mark.discard();
  };
  auto done = run();
  if (!done || (disk && disk->merged)) (void)collect(workspace, collect_patience);
  return done;
}

Result<std::vector<IdentityChange>> plan_clone(const Workspace& workspace, const CloneRequest& request,
                                               PhaseClock& clock) {
  clock.begin("check");
  ANYVISOR_CHECK(check_request(workspace.home, request));
  ANYVISOR_CHECK(check_keep(workspace, request, clock.operation()));
  recover_unfinished(workspace);
  ANYVISOR_TRY(LockedInstance locked, lock_stopped_source(workspace, request.source, "look into"));
  if (locked.record.disk.empty() || request.identity != CloneIdentity::full) return std::vector<IdentityChange>();
  ANYVISOR_TRY(StagedFolder mark, StagedFolder::make(workspace, new_id()));  // as in prepare
  ANYVISOR_TRY(Disk top, workspace.disks.read(locked.record.disk));
  clock.begin("inspection");
  // On an overlay that is thrown away: mounting writes, however little.
  ANYVISOR_TRY(Disk scratch, workspace.disks.create_overlay(new_id(), top, 0, "inspection"));
  IdentityTask task;
  task.action = "describe";
  task.disk = workspace.disks.path(scratch);
  task.format = scratch.format;
  task.emulate = emulates(workspace, locked.record.backend, clock.operation());
  task.source_name = locked.record.name;
  task.source_macs = macs_of(locked.record);
  task.skip = request.keep;
  auto report = IdentityWorker(workspace.identity_worker).run(task, clock.operation());
  ANYVISOR_CHECK(workspace.disks.remove(scratch.id));
  ANYVISOR_CHECK(mark.discard());
  if (!report) return tl::unexpected(std::move(report).error());
  return std::move(report->changes);
}

Result<std::vector<IdentityUnitInfo>> identity_units(const Workspace& workspace, Operation& operation) {
  return IdentityWorker(workspace.identity_worker).units(operation);
}

}  // namespace anyvisor
