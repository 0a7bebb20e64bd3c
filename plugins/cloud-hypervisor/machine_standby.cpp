// SPDX-License-Identifier: MIT
// Standby and back (docs/standby.md): Cloud Hypervisor writes RAM, device state and its config into a folder.
#include <poll.h>

#include <algorithm>

#include "hardware.hpp"
#include "machine.hpp"
#include "saved_folder.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

// A machine that was restored on demand can be saved again once all of its RAM has been read.
constexpr const char* still_restoring = "restore is still in progress";
constexpr int restoring_pause_ms = 50;

std::string url_of(const std::string& folder) {
  return "file://" + folder;
}

std::string body_with(const char* member, const std::string& text) {
  json::Document body = json::make_object();
  json::set(body, body, member, text);
  return json::render(body);
}

bool says(const sdk::Failure& failure, const char* text) {
  return std::string_view(failure.what()).find(text) != std::string_view::npos;
}

}  // namespace

std::string CloudHypervisorMachine::save(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const SavedPlace place = parse_place(request);
  const Observed now = query(context);
  if (now.state != "paused")
    throw sdk::Failure(ANYVISOR_INVALID_STATE, "only a paused guest's memory can be saved: it is " + now.state);
  // A restore has the disks of the machine document, and a guest that misses one does not live.
  if (disk_ids(context).size() != document_.disks.size())
    throw sdk::Failure(ANYVISOR_INVALID_STATE, "a disk was plugged in while the machine ran")
        .hint("take it away before its memory is saved");
  context.progress("memory", 0, 0);
  for (bool saved = false; !saved;) {
    clear_saved(place);
    try {
      put(context, "vm.snapshot", body_with("destination_url", url_of(place.folder)));
      saved = true;
    } catch (const Refused& refused) {
      if (says(refused, "No space left on device") || says(refused, "Disk quota exceeded"))
        throw sdk::Failure(ANYVISOR_EXHAUSTED, "no room for the guest's memory: the disk is full")
            .hint("free disk space");
      if (!says(refused, still_restoring)) throw;
      (void)::poll(nullptr, 0, restoring_pause_ms);
      context.check();
    }
  }
  const std::uint64_t state_size = seal_saved(place, version_);

  json::Document reply = json::make_object();
  json::set(reply, reply, "state", "paused");
  json::Value device(rapidjson::kObjectType), memory(rapidjson::kObjectType), vmm(rapidjson::kObjectType);
  json::set(reply, device, "file", saved_state_name);
  json::set(reply, device, "size", state_size);
  json::set_value(reply, reply, "device_state", std::move(device));
  json::set(reply, memory, "size", document_.memory);
  json::set(reply, memory, "backing", "file");
  json::set(reply, memory, "file", saved_memory_name);
  json::set_value(reply, reply, "memory", std::move(memory));
  json::set(reply, vmm, "name", "cloud-hypervisor");
  json::set(reply, vmm, "version", to_string(version_));
  json::set_value(reply, reply, "vmm", std::move(vmm));
  json::set(reply, reply, "agent", false);
  return json::render(reply);
}

void CloudHypervisorMachine::restore_memory(const sdk::Context& context, const std::string& folder) {
  const bool can_on_demand = abilities_of(version_).on_demand_restore;
  if (settings_.memory_restore == MemoryRestore::on_demand && !can_on_demand)
    throw sdk::Failure(ANYVISOR_UNSUPPORTED,
                       "memory can be restored on demand from v52, and this is " + to_string(version_))
        .hint("set the plugin's setting memory_restore to auto or copy");
  if (can_on_demand && settings_.memory_restore != MemoryRestore::copy) {
    json::Document body = json::make_object();
    json::set(body, body, "source_url", url_of(folder));
    json::set(body, body, "memory_restore_mode", "OnDemand");
    try {
      put(context, "vm.restore", json::render(body));
      return;
    } catch (const Refused& refused) {
      if (settings_.memory_restore == MemoryRestore::on_demand) throw;
      host_.log(ANYVISOR_LOG_INFO, std::string("memory is copied, not restored on demand: ") + refused.what());
    }
  }
  put(context, "vm.restore", body_with("source_url", url_of(folder)));
}

std::string CloudHypervisorMachine::restore(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const SavedPlace place = parse_place(request);
  const std::vector<Nic> nics = parse_endpoints(request);
  const Binary binary = prepare(context);
  require_same_hardware(document_, nics, version_);
  const json::Document saved = open_saved(place, version_);
  write_config(place, make_restored_config(saved, document_, nics, config_facts()));
  start_vmm(context, binary);
  context.progress("memory", 0, 0);
  restore_memory(context, place.folder);
  const Observed now = query(context);
  if (now.state != "paused")
    throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                       "Cloud Hypervisor has read the saved state and is " + now.state + ", not paused");
  return started_reply("paused", nics);
}

}  // namespace anyvisor::cloud_hypervisor
