// SPDX-License-Identifier: MIT
// anyvisor::Manager opens a home folder and does everything: the CLI, the benchmarks and embedders use nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anyvisor/export.hpp"
#include "anyvisor/guest.hpp"
#include "anyvisor/operation.hpp"
#include "anyvisor/result.hpp"

namespace anyvisor {

// The seven states of an instance; ARCHITECTURE.md has the transitions.
enum class State { stopped, created, running, paused, shutdown, standby, unknown };
// "Stopped", ... as people and JSON see it. [any thread]
ANYVISOR_API std::string_view state_name(State state);

// A published port: host_address:host_port on this machine leads to guest_port in the guest.
struct PublishedPort {
  std::string protocol = "tcp";  // "tcp" or "udp"
  std::string host_address = "127.0.0.1";
  std::uint16_t host_port = 0;  // 0: any free one, chosen at start
  std::uint16_t guest_port = 0;
};

// One network attachment, as asked for.
struct NetworkRequest {
  std::string plugin = "user-network";
  bool restricted = false;  // the guest reaches nothing outside, published ports still work
  std::vector<PublishedPort> publish;
};

enum class Firmware { automatic, kernel, bios, uefi };  // automatic: the image's kernel when it has one, else uefi

struct LaunchRequest {
  std::string image;    // name or id of an image of this home, or a reference that an image store brings it by
  std::string name;     // empty: a free one is made up
  std::string backend;  // plugin id; empty: the only one there is, or the default
  unsigned cpus = 1;
  std::uint64_t memory = 1ULL << 30;  // bytes; a multiple of 1 MiB
  std::uint64_t disk = 0;             // bytes; 0: as the image has it; never less
  Firmware firmware = Firmware::automatic;
  std::string command_line;  // added to the image's kernel command line
  std::string user_data;     // for cloud-init: #cloud-config, a script, MIME, ...; or empty
  // For what the call goes on to wait once the machine runs. When that does not come about the call fails, and the
  // instance stays. Not `stopped`.
  WaitRequest wait{WaitFor::nothing};
  std::optional<std::vector<NetworkRequest>> networks;  // none given: one user-network; empty list: no network
};

// How a clone gets an identity of its own. full: everything on its disk that two machines must not share is rewritten
// through libguestfs; seed: what cloud-init does with a new seed, and no more; none: it stays what its source is, but
// for its name, MACs and SMBIOS id.
enum class CloneIdentity { full, seed, none };

// How a clone gets its disk. overlay: it stands on the source's, in no time and space; reflink: a file of its own that
// shares its blocks with the source's top one, where the file system can; copy: a file of its own with everything in
// it, which depends on nothing. automatic: overlay where the backend can do with it, else reflink where the file system
// can, else copy.
enum class CloneStrategy { automatic, overlay, reflink, copy };

struct CloneRequest {
  std::string source;        // instance: id, name, or a prefix
  std::string name;          // empty: <source>-clone<N> with the lowest free N
  unsigned cpus = 0;         // 0: as its source
  std::uint64_t memory = 0;  // bytes; 0: as its source
  std::uint64_t disk = 0;    // bytes; 0: as its source; never less
  CloneStrategy strategy = CloneStrategy::automatic;
  CloneIdentity identity = CloneIdentity::full;
  std::vector<std::string> keep;  // identity units to leave as they are (`identity_units`)
  bool rerun_user_data = false;   // the source's user data runs in the clone as well
  // Id of an earlier clone of the same source: with a source that runs, this one stands on the same moment of its disk,
  // and the source is not touched. Empty, or no such moment any more: a moment of its own.
  std::string same_moment_as;
};

// One thing that a clone's rewrite does or leaves.
struct IdentityChange {
  std::string unit, what, path, reason;  // what: "write", "remove" or "keep"
};

struct IdentityUnitInfo {
  std::string name, summary;
};

struct StartRequest {
  bool discard_memory = false;         // of one in Standby: give its saved memory up and start afresh
  WaitRequest wait{WaitFor::nothing};  // as LaunchRequest::wait
};

struct StandbyRequest {
  // The memory is on the disk afterwards and survives a power cut. Else it stays with a process, in no more time than
  // stopping takes, and is lost with it.
  bool durable = true;
};

struct StopRequest {
  bool force = false;                      // end the VMM at once
  std::chrono::milliseconds grace{30000};  // how long the guest may take to power off
  bool force_after_grace = true;           // then end the VMM; else fail with timeout
};

// Of a machine that runs: as stop, then as start, with one lock for each.
struct RestartRequest {
  StopRequest stop;
  WaitRequest wait{WaitFor::nothing};  // as LaunchRequest::wait
};

struct DeleteRequest {
  bool force = false;  // also when it runs or has saved memory, which are lost
  bool purge = false;  // for good: nothing can be recovered
};

// What a stopped machine gets at its next start. 0: as it is.
struct ChangeRequest {
  unsigned cpus = 0;
  std::uint64_t memory = 0;  // bytes; a multiple of 1 MiB
  std::uint64_t disk = 0;    // bytes; never less than it has: the guest's file systems are not looked into
};

// Whose words: the guest's on its console, the VMM's, the plugin-host's.
enum class LogSource { console, vmm, anyvisor };

struct PruneRequest {
  bool dry_run = false;  // only tell
  bool images = false;   // also images that no instance was made from
};

// Something that nothing refers to.
struct Leftover {
  std::string kind;        // "disk", "unfinished" (what a killed command has left), "prepared", "image"
  std::string name;        // of an image; else the id
  std::string path;        // where it stands
  std::uint64_t size = 0;  // bytes that go with it on this host
};

struct EndpointInfo {
  std::string id, plugin, mac, mode;
  std::vector<PublishedPort> publish;
  std::vector<std::string> addresses;
};

// One instance as it is now. Fields that are not known are empty.
struct InstanceInfo {
  std::string id, short_id, name;
  State state = State::unknown;
  std::string state_reason;  // why, when the state alone does not say it
  std::string state_error;   // what is wrong with the instance, or empty
  std::string image, image_id, backend;
  unsigned cpus = 0;
  std::uint64_t memory = 0, disk = 0;     // bytes; disk: as the guest sees it
  std::uint64_t disk_occupied = 0;        // bytes that the machine's own disk file takes on this host
  unsigned disk_layers = 0;               // its own disk file and those that it stands on
  std::string created, started, stopped;  // RFC 3339, UTC
  std::string deleted;                    // when it was deleted, to be recovered or purged; RFC 3339; empty: it was not
  std::string vmm_name, vmm_version, machine_type, accelerator, accelerator_reason;
  std::string kernel;  // version of the kernel that it is booted with, or the file when that tells none
  int vmm_pid = 0;     // 0: no VMM
  int exit_code = -1, exit_signal = 0;  // of the last VMM; -1 and 0: not known
  bool has_saved_memory = false;        // it is in Standby
  bool saved_durably = false;
  std::string saved, restored;  // when it last went into standby and came back; RFC 3339, UTC
  // How long: from the guest's stop to the state being written; from the command's first look at it to the guest going
  // on.
  std::chrono::microseconds saved_took{0}, restored_took{0};
  std::string job;     // what is done for it in the background now: "prepare"; or empty
  std::string intent;  // an unfinished operation that the next command finishes or undoes
  std::string folder, console_log, vmm_log, host_log;
  std::string cloned_from, clone_strategy,
      clone_identity;  // of a clone: "web", "overlay"|"reflink"|"copy", "slots"|"rewrite"|"seed"|"none"
  // Of a clone, what the source's disk was caught in: "stopped", "file-systems-frozen" (by the running guest itself),
  // "crash-consistent" (as after a power cut; the reason says why only that).
  std::string clone_consistency, clone_consistency_reason;
  std::string user;             // who exec, shell and copy log in as; empty: this guest has no such login
  std::uint32_t vsock_cid = 0;  // of the vsock device that the machine runs with; 0: it has none, or does not run
  std::vector<EndpointInfo> endpoints;
  std::vector<Phase> last_phases;  // of the last operation
  std::string last_operation;
  bool forced = false;   // of stop only: the guest was asked to power off, did not, and was ended
  bool already = false;  // of start, stop, pause, resume, standby: it was so before, and nothing was done
  std::string warning;   // of the operation that answers this: what did not go as it should, or empty
};

struct ImageInfo {
  std::string id, name, summary, digest, format, created, command_line, firmware, source;
  std::uint64_t virtual_size = 0, disk_size = 0;  // disk_size: what it occupies on this host
  bool has_disk = false, has_kernel = false, has_initrd = false;
  bool cloud_init = false;           // the guest runs cloud-init and gets a seed
  std::string user;                  // who logs in over ssh; empty: not known
  std::string store;                 // the image store that brought it
  std::vector<std::string> used_by;  // names of instances
};

struct ImportRequest {
  // Path of a raw or qcow2 file, or what another image store knows ("debian:bookworm"); may be empty when there is a
  // kernel.
  std::string disk;
  std::string name;    // empty: from the file's name
  std::string format;  // empty: as the file itself tells
  std::string digest;  // "sha256:<hex>" of the disk file; empty: not checked
  std::string kernel, initrd, command_line, firmware;
  bool cloud_init = false;  // the guest runs cloud-init and looks for a NoCloud seed
  std::string user;         // with cloud_init: its default user, who logs in over ssh; empty: not known
};

// One setting of the home folder, and its value as text ("true").
struct SettingInfo {
  std::string key, value, fallback, summary;
};

struct PluginInfo {
  std::string path, id, version, summary, license, abi;
  std::vector<std::string> interfaces;
  std::string settings_schema;  // JSON, or empty
  std::string error;            // why it cannot be used, or empty
  ErrorKind error_kind = ErrorKind::internal;
  std::string hint;
};

// One line of `doctor`.
struct Finding {
  std::string subject;  // "accelerator", "disk image tool", ...
  bool ok = false;
  bool optional = false;    // not ok, and nothing misses it: a backend that is not installed, beside one that works
  std::string detail;       // what was found
  std::string consequence;  // what does not work without it; empty when ok or optional
  std::string remedy;       // the command that mends it; empty when there is none
};

struct ManagerOptions {
  std::string home;         // empty: $ANYVISOR_HOME and so on, see ARCHITECTURE.md
  std::string plugin_host;  // path of the plugin-host program; empty: beside this library
};

// Thread-safe: each call may come from any thread; calls on one instance wait for each other through its lock. Many
// managers, in many processes, may have one home folder open.
class ANYVISOR_API Manager {
 public:
  // A home folder that is not there is made by the first call that puts something into it; until then it is one without
  // instances. Errors: unavailable (no permission), corrupted (not a home folder).
  static Result<Manager> open(ManagerOptions options = {});
  Manager(Manager&&) noexcept;
  Manager& operator=(Manager&&) noexcept;
  ~Manager();

  const std::string& home() const;

  // Makes an instance and starts it; a failed or killed launch leaves nothing. Errors: not_found (image, backend),
  // already_exists (name), invalid_argument (name, size: `field` says which), unsupported, exhausted, backend_failed.
  Result<InstanceInfo> launch(const LaunchRequest& request, Operation& operation);
  // Makes a stopped machine out of one: a disk of its own over the same data, an identity of its own. A source that
  // runs goes on running: its disk is caught in one moment, with the guest's file systems frozen where its agent
  // answers, else as after a power cut (InstanceInfo::clone_consistency, and `warning`). The first clone of a changed
  // source takes seconds (`prepare` does that part ahead of time), the next ones milliseconds. A failed or killed clone
  // leaves nothing, and the source as it was. Errors: not_found, ambiguous, already_exists (name), invalid_argument,
  // invalid_state (its VMM does not answer), unsupported (its disk cannot be rewritten, or not be switched while it
  // runs: the reason), unavailable (libguestfs), exhausted, busy.
  Result<InstanceInfo> clone(const CloneRequest& request, Operation& operation);
  // What `clone` would write, remove and leave in the guest; changes nothing.
  Result<std::vector<IdentityChange>> plan_clone(const CloneRequest& request, Operation& operation);
  // Does what the first clone of a stopped machine takes long for.
  Result<void> prepare(const std::string& instance, Operation& operation);
  // The kinds of things that a clone gets anew, by the names that CloneRequest::keep takes.
  Result<std::vector<IdentityUnitInfo>> identity_units(Operation& operation);
  // Merges the disks that a stopped machine's one stands on, all but the lowest, so that it stands on one other at
  // most. What the guest sees stays the same; machines that stand on the merged ones keep them. Killed or failed,
  // nothing is changed. Errors: not_found, ambiguous, invalid_state, unavailable (no disk image tool), exhausted,
  // cancelled.
  Result<InstanceInfo> compact(const std::string& instance, Operation& operation);
  // Stopped or Shutdown > Running; Standby > Running as restore does, or afresh (`discard_memory`). Errors: not_found,
  // ambiguous, invalid_state, backend_failed, unavailable; those of restore. Then waits as launch does.
  Result<InstanceInfo> start(const std::string& instance, const StartRequest& request, Operation& operation);
  // Running or Paused > Standby: its memory is kept, its VMM ends (docs/standby.md). In Standby already: no error.
  // Killed or failed, it runs on or is in Standby, never both. Errors: not_found, ambiguous, invalid_state, unsupported
  // (the backend cannot), exhausted (no room for the memory), cancelled, backend_failed, unavailable.
  Result<InstanceInfo> standby(const std::string& instance, const StandbyRequest& request, Operation& operation);
  // Standby > Running: the guest goes on where it stood, once. What does not belong together is refused before the
  // guest runs, and stays as it is. Errors: not_found, ambiguous; invalid_state (not in Standby; other hardware, used
  // already, its disk was written to), corrupted (missing or altered files), backend_failed, unavailable. Then waits as
  // launch does.
  Result<InstanceInfo> restore(const std::string& instance, const WaitRequest& wait, Operation& operation);
  // Running > Paused: the guest stands still and keeps its memory; paused already: no error. Errors: not_found,
  // ambiguous, invalid_state, unsupported (the backend cannot), backend_failed, unavailable.
  Result<InstanceInfo> pause(const std::string& instance, Operation& operation);
  // Paused > Running. Running already: no error. Errors: as pause.
  Result<InstanceInfo> resume(const std::string& instance, Operation& operation);
  // > Stopped. Asks the guest to power off first, unless force: its guest agent, else by the power button. One in
  // Standby is stopped by force only, which gives its memory up. Stopped already: no error. With the setting
  // clone.prepare_after_stop, a background job then does what `prepare` does.
  Result<InstanceInfo> stop(const std::string& instance, const StopRequest& request, Operation& operation);
  // Running (or Paused, by force) > Stopped > Running. Killed or failed in between, it is Stopped. Errors:
  // invalid_state (it does not run), and those of stop and start.
  Result<InstanceInfo> restart(const std::string& instance, const RestartRequest& request, Operation& operation);
  // Takes the instance out of use. It keeps its name, its MACs and its disk, and can do nothing but be recovered,
  // renamed or purged; with `purge` it goes at once and for good, deleted before or not. Deleted already: no error. A
  // damaged one is removed for good, with `force`. Errors: invalid_state (it runs or has saved memory, and `force` is
  // not given).
  Result<void> remove(const std::string& instance, const DeleteRequest& request, Operation& operation);
  // Takes a deletion back: the machine is Stopped. Not deleted: no error, `already`.
  Result<InstanceInfo> recover(const std::string& instance, Operation& operation);
  // Removes a deleted instance and its disk for good. Errors: invalid_state (it is not deleted).
  Result<void> purge(const std::string& instance, Operation& operation);
  // Gives it another name, whatever its state. The guest's own hostname is the guest's. Errors: already_exists,
  // invalid_argument (field /name).
  Result<InstanceInfo> rename(const std::string& instance, const std::string& name, Operation& operation);
  // All of the changes or none; killed, the disk alone may have grown. Errors: invalid_state (it is not Stopped),
  // invalid_argument (a smaller disk, no disk, ...: `field`), exhausted (memory), unavailable (no disk image tool).
  Result<InstanceInfo> change(const std::string& instance, const ChangeRequest& request, Operation& operation);
  // What nothing refers to: what killed commands have left, and more (PruneRequest). Returns what has gone, or with
  // `dry_run` what would go.
  Result<std::vector<Leftover>> prune(const PruneRequest& request, Operation& operation);

  // Never fails because one instance is damaged: that one is Unknown, with state_error. Sorted by name.
  Result<std::vector<InstanceInfo>> list();
  // `instance`: exact id, exact name, or a prefix of the id or short id. Errors: not_found, ambiguous.
  Result<InstanceInfo> info(const std::string& instance);
  // What was written to one of its logs and is still kept, oldest first. Nothing yet: empty.
  Result<std::string> log(const std::string& instance, LogSource source);

  // Runs a command in the guest and returns its exit code: 128 + n when signal n ended it. Errors: those of finding
  // the instance; invalid_state (it does not run), unsupported (no login in this guest, no such way to it), not_ready
  // (nobody answers there yet, or refuses the key), unavailable (another host key; no ssh here), backend_failed (the
  // connection ended meanwhile), cancelled.
  Result<int> exec(const std::string& instance, const ExecRequest& request, Operation& operation);
  // Files and folders into guests, out of them, or from one guest to another. What a guest calls its files cannot lead
  // out of the destination. Errors: as exec; not_found, invalid_argument (a folder without `recursive`), exhausted.
  // What was copied before an error stays.
  Result<void> copy(const CopyRequest& request, Operation& operation);
  // Until the condition holds. Errors: timeout (says what was seen last), invalid_state (the machine does not run, or
  // has ended meanwhile: it cannot come about any more), backend_failed (cloud-init failed), unsupported (no login, no
  // cloud-init in this guest), cancelled.
  Result<WaitResult> wait(const std::string& instance, const WaitRequest& request, Operation& operation);

  Result<ImageInfo> import_image(const ImportRequest& request, Operation& operation);
  Result<std::vector<ImageInfo>> images();
  Result<ImageInfo> image(const std::string& image);
  // Instances made from it keep working: their disks keep what they need.
  Result<void> remove_image(const std::string& image, Operation& operation);

  // By really loading each, in a plugin-host; answers kept while the files do not change unless `fresh`.
  Result<std::vector<PluginInfo>> plugins(bool fresh = false);
  Result<PluginInfo> check_plugin(const std::string& file);
  Result<std::vector<Finding>> doctor(Operation& operation);

  // All settings. Errors: invalid_argument (settings.json was edited and is wrong: the message says where).
  Result<std::vector<SettingInfo>> settings();
  // All of the changes or none; an empty value goes back to the default. Errors: those of settings(), and the same for
  // keys and values given.
  Result<void> change_settings(const std::vector<std::pair<std::string, std::string>>& changes);

 private:
  struct State_;
  explicit Manager(std::unique_ptr<State_> state);
  std::unique_ptr<State_> state_;
};

// The library's version, "0.1.0". [any thread]
ANYVISOR_API std::string_view version();

}  // namespace anyvisor
