// SPDX-License-Identifier: MIT
// saved/manifest.json: what makes memory, device state and disk of one moment a whole (docs/standby.md). Published
// last, consumed first: while it is there the machine is in Standby.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "instance/instance_record.hpp"
#include "process/process_identity.hpp"

namespace anyvisor {

// A file that nobody may have written to meanwhile.
struct UntouchedFile {
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  // its content's time, since 1970; nanoseconds
  // Errors as fail_errno.
  static Result<UntouchedFile> of(const std::string& path);
  bool operator==(const UntouchedFile&) const = default;
};

struct Manifest {
  std::string instance, save;         // ids: whose it is, and which of its moments
  std::string saved;                  // RFC 3339, UTC
  std::chrono::microseconds took{0};  // from the guest's stop to what the manifest tells being written
  bool durable = true;
  // Not durable: who keeps the memory.
  ProcessIdentity keeper;
  FolderIdentity home;
  std::uint64_t memory_size = 0;       // bytes of the guest's RAM
  std::string memory_file;             // bare name; empty: not durable
  std::uint64_t memory_file_size = 0;  // bytes
  std::string state_file;              // bare name
  std::uint64_t state_size = 0;        // bytes
  std::string state_digest;            // "sha256:<hex>"
  std::string disk;                    // id of the top disk; empty: none
  std::string disk_file;               // its bare file name
  UntouchedFile disk_content;
  std::optional<UntouchedFile> firmware_variables;
  std::string hardware = "{}";   // JSON, as the backend described it: what the guest has seen
  std::string machine = "{}";    // JSON: what the instance's record says of the same (visible_machine)
  std::string endpoints = "[]";  // JSON: the networks as they were
  std::string vmm_name, vmm_version;
  bool has_agent = false;  // one ran in the guest
  std::string host_cpu;    // empty: it does not matter, as the guest's is emulated

  // What stands behind the RAM: of which machine, of which moment.
  std::string label() const { return instance + " " + save; }
};

inline constexpr int manifest_schema = 1;
inline constexpr const char* manifest_name = "manifest.json";
inline constexpr const char* consumed_name = "consumed.json";  // the manifest of what was restored last

std::string saved_folder(const std::string& instance_folder);
std::string render(const Manifest& manifest);
// Errors: corrupted; unsupported for a newer schema (it is left alone).
Result<Manifest> parse_manifest(std::string_view text, std::string_view what);
// Of the instance in that folder; nullopt: there is none. `name`: manifest_name or consumed_name.
Result<std::optional<Manifest>> read_manifest(const std::string& instance_folder,
                                              const std::string& name = manifest_name);
// Is there one, readable or not?
bool has_manifest(const std::string& instance_folder);
// Not durable: does the process that keeps the memory live, in this home folder? True for a durable one.
bool is_kept(const Manifest& manifest, const std::string& home);
// What of a record the guest sees, as JSON: two records that agree in it describe the same hardware.
std::string visible_machine(const InstanceRecord& record);

}  // namespace anyvisor
