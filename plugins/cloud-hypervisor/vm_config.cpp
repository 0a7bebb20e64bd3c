// SPDX-License-Identifier: MIT
#include "vm_config.hpp"

#include <anyvisor/plugin.hpp>

namespace anyvisor::cloud_hypervisor {
namespace {

class ConfigBuilder {
 public:
  ConfigBuilder(const MachineDocument& machine, const std::vector<Nic>& nics, const ConfigFacts& facts)
      : machine_(machine), nics_(nics), facts_(facts), config_(json::make_object()) {}

  json::Document build() {
    add_processor_and_memory();
    add_payload();
    add_disks();
    add_nics();
    add_vsock();
    add("rng", [&](json::Value& rng) { json::set(config_, rng, "src", "/dev/urandom"); });
    // COM1 is the VMM's standard output, which is the console's log: written whether or not anybody listens.
    add("serial", [&](json::Value& serial) { json::set(config_, serial, "mode", "Tty"); });
    add("console", [&](json::Value& console) { json::set(config_, console, "mode", "Off"); });
    if (!machine_.smbios_uuid.empty())
      add("platform", [&](json::Value& platform) { json::set(config_, platform, "uuid", machine_.smbios_uuid); });
    if (facts_.landlock) add_landlock();
    return std::move(config_);
  }

 private:
  template <class Fill>
  void add(const char* name, Fill&& fill) {
    json::Value object(rapidjson::kObjectType);
    fill(object);
    json::set_value(config_, config_, name, std::move(object));
  }

  void add_processor_and_memory() {
    add("cpus", [&](json::Value& cpus) {
      json::set(config_, cpus, "boot_vcpus", machine_.cpus);
      json::set(config_, cpus, "max_vcpus", machine_.max_cpus);
    });
    add("memory", [&](json::Value& memory) {
      json::set(config_, memory, "size", machine_.memory);
      json::set(config_, memory, "shared", true);
      if (machine_.hotplug_memory > 0) json::set(config_, memory, "hotplug_size", machine_.hotplug_memory);
    });
  }

  void add_payload() {
    add("payload", [&](json::Value& payload) {
      if (machine_.boot.method == BootMethod::firmware) {
        json::set(config_, payload, "firmware", facts_.firmware);
        return;
      }
      json::set(config_, payload, "kernel", machine_.boot.kernel);
      if (!machine_.boot.initrd.empty()) json::set(config_, payload, "initramfs", machine_.boot.initrd);
      if (!machine_.boot.command_line.empty()) json::set(config_, payload, "cmdline", machine_.boot.command_line);
    });
  }

  void add_disks() {
    if (machine_.disks.empty()) return;
    json::Value disks(rapidjson::kArrayType);
    for (const auto& disk : machine_.disks) json::push_copy(config_, disks, make_disk_config(disk, facts_.can));
    json::set_value(config_, config_, "disks", std::move(disks));
  }

  void add_nics() {
    if (nics_.empty()) return;
    json::Value nics(rapidjson::kArrayType);
    for (const auto& nic : nics_) {
      json::Value value(rapidjson::kObjectType);
      json::set(config_, value, "id", nic.id);
      json::set(config_, value, "tap", nic.tap);
      json::set(config_, value, "mac", nic.mac);
      nics.PushBack(std::move(value), config_.GetAllocator());
    }
    json::set_value(config_, config_, "net", std::move(nics));
  }

  void add_vsock() {
    if (machine_.vsock.cid == 0) return;
    add("vsock", [&](json::Value& vsock) {
      json::set(config_, vsock, "id", "vsock");
      json::set(config_, vsock, "cid", std::uint64_t{machine_.vsock.cid});
      json::set(config_, vsock, "socket", facts_.vsock_socket);
    });
  }

  // What the config names, Cloud Hypervisor allows itself; the rest is ours to list.
  void add_landlock() {
    json::Value rules(rapidjson::kArrayType);
    auto allow = [&](const std::string& path, const char* access) {
      json::Value rule(rapidjson::kObjectType);
      json::set(config_, rule, "path", path);
      json::set(config_, rule, "access", access);
      rules.PushBack(std::move(rule), config_.GetAllocator());
    };
    allow(machine_.folder, "rw");  // saved memory
    for (const auto& disk : machine_.disks)
      for (std::size_t i = 1; i < disk.chain.size(); ++i) allow(disk.chain[i].path, "r");
    json::set(config_, config_, "landlock_enable", true);
    json::set_value(config_, config_, "landlock_rules", std::move(rules));
  }

  const MachineDocument& machine_;
  const std::vector<Nic>& nics_;
  const ConfigFacts& facts_;
  json::Document config_;
};

sdk::Failure other_devices(const char* list) {
  return {ANYVISOR_CORRUPTED, std::string("the saved machine has other ") + list + " than this one"};
}

// Each of `now` in the saved list has the same id there; these members of it are taken over.
void take_over(json::Document& config, const json::Value& now, const char* list,
               std::initializer_list<const char*> members) {
  const auto* wanted = json::array_or_null(now, list);
  auto found = config.FindMember(list);
  const rapidjson::SizeType count = wanted ? wanted->Size() : 0;
  const bool is_array = found != config.MemberEnd() && found->value.IsArray();
  if ((is_array ? found->value.Size() : 0) != count) throw other_devices(list);
  for (rapidjson::SizeType i = 0; i < count; ++i) {
    json::Value& saved = found->value[i];
    const json::Value& mine = (*wanted)[i];
    if (json::string_or(saved, "id") != json::string_or(mine, "id")) throw other_devices(list);
    for (const char* member : members)
      if (const auto* value = json::find(mine, member)) json::set_copy(config, saved, member, *value);
  }
}

}  // namespace

json::Document make_disk_config(const Disk& disk, const Abilities& can) {
  json::Document config = json::make_object();
  json::set(config, config, "id", disk.id);
  json::set(config, config, "path", disk.chain.front().path);
  json::set(config, config, "readonly", disk.read_only);
  if (can.named_image_types)
    json::set(config, config, "image_type", disk.chain.front().format == "raw" ? "Raw" : "Qcow2");
  if (can.backing_files_option && disk.chain.size() > 1) json::set(config, config, "backing_files", true);
  return config;
}

json::Document make_vm_config(const MachineDocument& machine, const std::vector<Nic>& nics, const ConfigFacts& facts) {
  return ConfigBuilder(machine, nics, facts).build();
}

json::Document make_restored_config(const json::Value& saved, const MachineDocument& machine,
                                    const std::vector<Nic>& nics, const ConfigFacts& facts) {
  const json::Document now = make_vm_config(machine, nics, facts);
  json::Document config;
  config.CopyFrom(saved, config.GetAllocator());
  take_over(config, now, "disks", {"path"});
  take_over(config, now, "net", {"tap"});
  for (const char* name : {"payload", "serial", "vsock", "landlock_enable", "landlock_rules"}) {
    config.RemoveMember(name);
    if (const auto* value = json::find(now, name)) json::set_copy(config, config, name, *value);
  }
  return config;
}

}  // namespace anyvisor::cloud_hypervisor
