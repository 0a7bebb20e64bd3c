// SPDX-License-Identifier: MIT
#include "capability_report.hpp"

#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "landlock.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

constexpr const char* later = "comes in a later version of the Cloud Hypervisor backend";
constexpr const char* yes = "yes";
constexpr const char* no = "no";
constexpr const char* needs = "needs";
// Cloud Hypervisor's own limit on x86-64 since v48; 254 before.
constexpr unsigned most_cpus = 254;

struct Answer {
  std::string name, answer, reason;
};

std::string restore_reason(const Settings& settings, const Abilities& can) {
  if (!can.on_demand_restore) return "the RAM is copied before the guest goes on; on demand from v52";
  if (settings.memory_restore == MemoryRestore::copy) return "the RAM is copied before the guest goes on, as set";
  return "the RAM is read on demand; copied where the kernel has no userfaultfd for it";
}

// Ended after its memory was saved, it would change the disk that belongs to that memory; killed, leave it incomplete.
Answer save_answer(const HostFacts& facts) {
  if (facts.writes_qcow2)
    return {"save", no, "Cloud Hypervisor completes a qcow2 disk only as it ends, after the memory has been saved"};
  return {"save", yes, "the RAM is written to a file as a whole; for the same version of Cloud Hypervisor only"};
}

std::string disk_reason(const Abilities& can) {
  if (can.relative_backing_names) return {};
  return "a chain of disks needs v53: before, the backing names that anyvisor writes are looked up in the wrong folder";
}

Answer hotplug_disk_answer(const Settings& settings, const HostFacts& facts) {
  if (settings.sandbox && abilities_of(facts.version).landlock && facts.landlock >= landlock_needed)
    return {"hotplug_disk", no,
            "Landlock holds Cloud Hypervisor to the files that it was started with; with the plugin's setting sandbox "
            "false it can"};
  return {"hotplug_disk", yes, "the guest has to let go of one that is taken away"};
}

std::vector<Answer> answers(const Settings& settings, const HostFacts& facts) {
  const Abilities can = abilities_of(facts.version);
  std::vector<Answer> list{
      {"pause", yes, {}},
      save_answer(facts),
      {"restore", yes, restore_reason(settings, can)},
      {"fork", no, later},
      {"snapshot_disk", no, "Cloud Hypervisor cannot switch a disk to an overlay while its guest runs"},
      hotplug_disk_answer(settings, facts),
      {"hotplug_nic", no, later},
      {"hotplug_cpu", yes, "up to the machine's max_cpus; the guest has to take them"},
      {"hotplug_memory", yes, "more, in steps of 128 MiB, up to the machine's hotplug_size; the guest has to take it"},
      {"volumes", yes, "from the start of the machine on"},
      {"mounts", no, later},
      {"vfio", no, later},
      {"mdev", no, later},
      {"rate_limits", no, later},
      {"config_disk", yes, {}},
      {"console", yes, "its log; nothing can be typed into it"},
      {"console_socket", no, "the guest's console goes straight to its log, whether or not anyvisor runs"},
      {"vsock", yes, "a socket on this host leads to the guest's ports; its context id is the guest's own affair"},
      {"agent", no, "there is no channel for the QEMU guest agent"},
      {"network_user", no, "Cloud Hypervisor has no user-mode networking"},
      {"network_tap", yes, "a tap device that is there, by its name"},
  };
  if (const std::string reason = disk_reason(can); !reason.empty()) list.push_back({"disk_chain", needs, reason});
  const std::string no_kvm = "a KVM that works: " + facts.kvm.reason;
  if (facts.kvm.usable)
    list.push_back({"kernel_boot", yes, "bzImage, and 64-bit ELF files with a PVH note"});
  else
    list.push_back({"kernel_boot", needs, no_kvm});
  if (settings.firmware.empty())
    list.push_back({"firmware", needs,
                    "a firmware made for Cloud Hypervisor (CLOUDHV.fd or rust-hypervisor-firmware), named in the "
                    "plugin's setting firmware; there is no BIOS, and Debian's OVMF does not work"});
  else if (!facts.kvm.usable)
    list.push_back({"firmware", needs, no_kvm});
  else
    list.push_back({"firmware", yes, "uefi: " + settings.firmware});
  return list;
}

std::uint64_t host_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size) : 0;
}

}  // namespace

json::Document make_capability_report(const Settings& settings, const HostFacts& facts) {
  json::Document report = json::make_object();
  json::Value capabilities(rapidjson::kObjectType);
  for (const auto& [name, answer, reason] : answers(settings, facts)) {
    json::Value value(rapidjson::kObjectType);
    json::set(report, value, "answer", answer);
    if (!reason.empty()) json::set(report, value, "reason", reason);
    json::set_value(report, capabilities, name.c_str(), std::move(value));
  }
  json::set_value(report, report, "capabilities", std::move(capabilities));

  json::Value vmm(rapidjson::kObjectType);
  json::set(report, vmm, "name", "cloud-hypervisor");
  json::set(report, vmm, "path", facts.binary.path);
  json::set(report, vmm, "version", to_string(facts.version));
  json::set_value(report, report, "vmm", std::move(vmm));

  json::Value accelerator(rapidjson::kObjectType);
  json::set(report, accelerator, "name", facts.kvm.usable ? "kvm" : "none");
  json::set(
      report, accelerator, "reason",
      facts.kvm.usable ? facts.kvm.reason : "Cloud Hypervisor knows no accelerator but KVM, and " + facts.kvm.reason);
  json::set(report, accelerator, "emulated", false);
  json::set_value(report, report, "accelerator", std::move(accelerator));

  json::set(report, report, "disks", "local");
  json::set(report, report, "disk_formats", std::vector<std::string>{"raw", "qcow2"});
  json::set_value(report, report, "fused_hops", json::Value(rapidjson::kArrayType));
  json::Value limits(rapidjson::kObjectType);
  json::set(report, limits, "cpus", most_cpus);
  if (const std::uint64_t memory = host_memory(); memory > 0) json::set(report, limits, "memory", memory);
  json::set_value(report, report, "limits", std::move(limits));
  return report;
}

}  // namespace anyvisor::cloud_hypervisor
