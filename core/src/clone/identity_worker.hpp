// SPDX-License-Identifier: MIT
// The identity worker's client side: one process a call, which opens a guest's disk through libguestfs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "anyvisor/manager.hpp"
#include "clone/slots.hpp"
#include "document/json.hpp"
#include "storage/disk_store.hpp"

namespace anyvisor {

struct IdentityReport {
  std::vector<IdentityChange> changes;
  std::vector<SoughtSlot> slots;           // of generalize
  std::string distrust;                    // why slots cannot be used on this disk; empty: they can
  std::vector<std::uint64_t> superblocks;  // of its ext4 file systems: positions on the disk
};

struct IdentityTask {
  std::string action;              // "describe", "rewrite", "generalize"
  std::string disk, format;        // written to: an overlay of its own
  std::vector<DiskRange> written;  // where the disk was written since it was an image: written_since_image()
  bool emulate = true;             // no accelerator that works
  std::string source_name;
  std::vector<std::string> source_macs;
  std::vector<std::string> skip;              // units to leave out
  std::map<std::string, std::string> values;  // rewrite
};

// Where the disk's overlays, down to the image that it began as, hold something of their own. Errors: as chain() and
// overlay_ranges().
Result<std::vector<DiskRange>> written_since_image(const DiskStore& disks, const Disk& disk);

class IdentityWorker {
 public:
  explicit IdentityWorker(std::string program) : program_(std::move(program)) {}
  // Seconds. Errors: unsupported (what is on the disk cannot be rewritten, with the reason), unavailable (the worker or
  // libguestfs is missing or does not start), timeout, cancelled, backend_failed.
  Result<IdentityReport> run(const IdentityTask& task, Operation& operation) const;
  Result<std::vector<IdentityUnitInfo>> units(Operation& operation) const;

 private:
  Result<json::Document> ask(json::Document request, Operation& operation) const;
  std::string program_;
};

}  // namespace anyvisor
