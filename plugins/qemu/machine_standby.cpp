// SPDX-License-Identifier: MIT
// Standby and back (docs/standby.md): RAM stays in its file, device state goes through QEMU's migration.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "device_state.hpp"
#include "guest_agent.hpp"
#include "hardware.hpp"
#include "host_vsock.hpp"
#include "kept_memory.hpp"
#include "machine.hpp"
#include "saved_memory.hpp"

namespace anyvisor::qemu {
namespace {

constexpr const char* device_state_name = "device-state";

struct SavedPlace {
  std::string folder, label;
  bool durable = true;
};

SavedPlace parse_place(const json::Value& request) {
  SavedPlace place{json::string_or(request, "folder"), json::string_or(request, "label"),
                   json::bool_or(request, "durable", true)};
  if (place.folder.empty() || place.folder.front() != '/')
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the folder for saved memory must be an absolute path")
        .field("/folder");
  return place;
}

Descriptor create_device_state(const std::string& folder) {
  const std::string path = folder + "/" + device_state_name;
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file)
    throw sdk::Failure(errno == ENOSPC ? ANYVISOR_EXHAUSTED : ANYVISOR_BACKEND_FAILED,
                       "cannot create " + path + ": " + std::strerror(errno));
  return file;
}

std::uint64_t size_of(int file) {
  struct stat status {};
  return ::fstat(file, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace

const Descriptor& QemuMachine::memory() {
  if (memory_) return memory_;
  const std::string path = "/proc/" + std::to_string(vmm_pid_) + "/fd/" + std::to_string(memory_number);
  memory_ = Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!memory_)
    throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                       "cannot reach the memory of the running VMM: " + std::string(std::strerror(errno)));
  return memory_;
}

std::string QemuMachine::save(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  const SavedPlace place = parse_place(request);
  return converse(context, [&](VmmSession& vmm) {
    const Observed now = vmm.query(context);
    if (now.state != "paused")
      throw sdk::Failure(ANYVISOR_INVALID_STATE, "only a paused guest's memory can be saved: it is " + now.state);
    const Descriptor& ram = memory();
    const bool agent = agent_listens(context, vmm.client());
    const Descriptor state = create_device_state(place.folder);
    context.progress("device state", 0, 0);
    save_device_state(context, vmm.client(), state.get());
    if (size_of(state.get()) == 0)
      throw sdk::Failure(ANYVISOR_EXHAUSTED, "QEMU has written no device state: is the disk full?");
    if (place.durable) {
      if (::fsync(state.get()) != 0)
        throw sdk::Failure(ANYVISOR_EXHAUSTED, "cannot flush the device state: " + std::string(std::strerror(errno)));
      context.progress("memory", 0, 0);
      make_memory_durable(context, ram.get(), document_.memory, place.folder, place.label);
      forget_kept_memory();
    } else {
      keep_memory(place.label, ram);
    }
    vmm.follow_events();

    json::Document reply = json::make_object();
    json::set(reply, reply, "state", "paused");
    json::Value device(rapidjson::kObjectType), saved(rapidjson::kObjectType), writer(rapidjson::kObjectType);
    json::set(reply, device, "file", device_state_name);
    json::set(reply, device, "size", size_of(state.get()));
    json::set_value(reply, reply, "device_state", std::move(device));
    json::set(reply, saved, "size", document_.memory);
    json::set(reply, saved, "backing", place.durable ? "file" : "memfd");
    if (place.durable) json::set(reply, saved, "file", saved_memory_name);
    json::set_value(reply, reply, "memory", std::move(saved));
    json::set(reply, writer, "name", "qemu");
    json::set(reply, writer, "version", vmm.client().version());
    json::set_value(reply, reply, "vmm", std::move(writer));
    json::set(reply, reply, "agent", agent);
    return json::render(reply);
  });
}

// The state holds what the guest has seen of its hardware; QEMU would accept any other, and the guest would not live.
void QemuMachine::require_same_hardware(const std::vector<Endpoint>& endpoints, const LaunchFacts& facts) const {
  if (document_.hardware.empty())
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "the hardware that the memory was saved with is not known")
        .field("/hardware");
  const HardwareFacts now{facts.machine_type, facts.accelerator, facts.cpu_model, {}, has_vsock(document_.hardware)};
  json::Document here = describe_hardware(document_, endpoints, now);
  json::Document then;
  then.Parse(document_.hardware.data(), document_.hardware.size());
  for (const auto& member : here.GetObject()) {
    const std::string name = member.name.GetString();
    if (name == "vmm") continue;  // who provides it, and which version of it: no guest sees that
    const auto saved = then.FindMember(member.name);
    if (saved != then.MemberEnd() && saved->value == member.value) continue;
    throw sdk::Failure(ANYVISOR_INVALID_STATE, "the memory was saved with other hardware: " + name + " was " +
                                                   (saved == then.MemberEnd() ? "absent" : json::render(saved->value)) +
                                                   " and is " + json::render(member.value))
        .field("/hardware/" + name)
        .hint("give the machine the hardware back that it had");
  }
}

std::string QemuMachine::restore(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  const SavedPlace place = parse_place(request);
  const std::vector<Endpoint> endpoints = parse_endpoints(request);
  require_files(document_);
  std::string accelerator_reason;
  LaunchFacts facts = gather_facts(context, accelerator_reason);
  require_same_hardware(endpoints, facts);
  const Descriptor vsock = has_vsock(document_.hardware) ? open_vsock() : Descriptor();
  facts.descriptors.vsock = vsock.get();
  memory_ = place.durable ? open_saved_memory(place.folder, document_.memory, place.label) : kept_memory(place.label);
  const std::string path = place.folder + "/" + device_state_name;
  const Descriptor state(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!state || size_of(state.get()) == 0)
    throw sdk::Failure(ANYVISOR_CORRUPTED, "the saved device state is missing or empty: " + path);

  facts.incoming = true;
  Started started = start_vmm(context, endpoints, std::move(facts));
  return converse(context, [&](VmmSession& vmm) {
    context.progress("device state", 0, 0);
    load_device_state(context, vmm.client(), state.get());
    Observed now = vmm.query(context);
    if (now.state != "paused")
      throw sdk::Failure(ANYVISOR_BACKEND_FAILED, "QEMU has read the saved state and is " + now.state + ", not paused");
    json::Document reply = json::make_object();
    json::set(reply, reply, "state", now.state);
    json::set_copy(reply, reply, "hardware", started.hardware);
    json::set(reply, reply, "accelerator_reason", accelerator_reason);
    return json::render(reply);
  });
}

}  // namespace anyvisor::qemu
