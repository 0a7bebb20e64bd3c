// SPDX-License-Identifier: MIT
// What changes on a running machine: disks that are plugged in and taken away, processors, memory.
#include <algorithm>

#include "disk_chain.hpp"
#include "landlock.hpp"
#include "machine.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

// Of memory that is plugged in while the guest runs, bytes.
constexpr std::uint64_t memory_step = 128ULL << 20;

}  // namespace

std::vector<std::string> CloudHypervisorMachine::disk_ids(const sdk::Context& context) {
  const json::Document info =
      ApiCall(folder().connect_at_once(api_socket), Method::get, "vm.info").finish_object(context);
  std::vector<std::string> ids;
  const auto* config = json::object_or_null(info, "config");
  if (const auto* disks = config ? json::array_or_null(*config, "disks") : nullptr)
    for (const auto& disk : disks->GetArray()) ids.push_back(json::string_or(disk, "id"));
  return ids;
}

std::string CloudHypervisorMachine::attach_device(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const auto* device = json::object_or_null(request, "device");
  const std::string kind = device ? json::string_or(*device, "kind") : std::string();
  if (kind != "disk" && kind != "volume")
    throw sdk::unsupported("the Cloud Hypervisor backend plugs in disks only, and this is a " +
                           (kind.empty() ? std::string("device without a kind") : kind))
        .field("/device/kind");
  if (config_facts().landlock)
    throw sdk::unsupported("Landlock holds Cloud Hypervisor to the files that it was started with")
        .field("/device/path")
        .hint("set the plugin's setting sandbox to false, and start the machine anew");
  const Disk disk = sdk::parse_disk(*device, "/device", "Cloud Hypervisor");
  require_disk_files(disk);
  require_chain(disk, version_);
  const auto ids = disk_ids(context);
  if (std::ranges::find(ids, disk.id) != ids.end())
    throw sdk::Failure(ANYVISOR_ALREADY_EXISTS, "the machine has a disk '" + disk.id + "' already").field("/device/id");
  put(context, "vm.add-disk", json::render(make_disk_config(disk, abilities_of(version_))));
  return tell(query(context));
}

std::string CloudHypervisorMachine::detach_device(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const std::string id = json::string_or(request, "id");
  const auto ids = disk_ids(context);
  if (std::ranges::find(ids, id) == ids.end())
    throw sdk::Failure(ANYVISOR_NOT_FOUND, "the machine has no disk '" + id + "'").field("/id");
  json::Document body = json::make_object();
  json::set(body, body, "id", id);
  put(context, "vm.remove-device", json::render(body));
  return tell(query(context));
}

std::string CloudHypervisorMachine::resize(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  for (const char* other : {"disk", "limits"})
    if (json::find(request, other))
      throw sdk::unsupported("the Cloud Hypervisor backend changes processors and memory only")
          .field(std::string("/") + other);
  json::Document body = json::make_object();
  if (json::find(request, "cpus")) {
    const auto cpus = json::uint_or(request, "cpus", 0);
    if (cpus == 0 || cpus > document_.max_cpus)
      throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the machine was started for 1 to " +
                                                        std::to_string(document_.max_cpus) + " processors, and " +
                                                        std::to_string(cpus) + " are asked for")
          .field("/cpus")
          .hint("raise max_cpus, and start the machine anew");
    json::set(body, body, "desired_vcpus", cpus);
  }
  if (json::find(request, "memory")) {
    const auto memory = json::uint_or(request, "memory", 0);
    const auto most = document_.memory + document_.hotplug_memory;
    if (memory < document_.memory || memory > most || (memory - document_.memory) % memory_step != 0)
      throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT,
                         "the machine can have " + std::to_string(document_.memory) + " to " + std::to_string(most) +
                             " bytes of memory in steps of 128 MiB, and " + std::to_string(memory) + " are asked for")
          .field("/memory")
          .hint("raise its hotplug_size, and start the machine anew");
    json::set(body, body, "desired_ram", memory);
  }
  if (body.ObjectEmpty())
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "nothing is asked for: give cpus, memory or both");
  put(context, "vm.resize", json::render(body));
  return tell(query(context));
}

}  // namespace anyvisor::cloud_hypervisor
