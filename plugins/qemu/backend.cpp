// SPDX-License-Identifier: MIT
#include "backend.hpp"

#include <unistd.h>

#include <array>

#include "accelerator.hpp"
#include "firmware.hpp"
#include "host_vsock.hpp"
#include "machine.hpp"
#include "machine_document.hpp"
#include "version.hpp"

namespace anyvisor::qemu {
namespace {

constexpr const char* later = "comes in a later version of the QEMU backend";
// q35 up to 8.x; one machine type's limit, told before QEMU refuses.
constexpr std::uint64_t most_cpus = 255;

struct Answer {
  const char* name;
  const char* answer;
  const char* reason;
};

constexpr std::array<Answer, 21> fixed_answers{{
    {"pause", "yes", ""},
    {"save", "yes", "the guest's RAM stays in its file; device state of the same machine type only"},
    {"restore", "yes", ""},
    {"fork", "no", later},
    {"snapshot_disk", "yes", ""},
    {"hotplug_disk", "no", later},
    {"hotplug_nic", "no", later},
    {"hotplug_cpu", "no", later},
    {"hotplug_memory", "no", later},
    {"volumes", "yes", "from the start of the machine on; overlays of volumes come in a later version"},
    {"mounts", "no", later},
    {"vfio", "no", later},
    {"mdev", "no", later},
    {"rate_limits", "no", later},
    {"config_disk", "yes", ""},
    {"console", "yes", ""},
    {"console_socket", "yes", ""},
    {"agent", "yes", "a channel for the QEMU guest agent; the guest must run one"},
    {"network_user", "yes", ""},
    {"network_tap", "yes", ""},
    {"kernel_boot", "yes", "bzImage, and ELF files with a PVH note"},
}};

void add_answer(json::Document& report, json::Value& capabilities, const Answer& answer) {
  json::Document value = json::make_object();
  json::set(value, value, "answer", answer.answer);
  if (*answer.reason) json::set(value, value, "reason", answer.reason);
  json::set_copy(report, capabilities, answer.name, value);
}

// For one machine: about the firmware that it boots from. Else about both.
Answer firmware_answer(const Settings& settings, const json::Value* machine) {
  if (find_firmware(settings)) return {"firmware", "yes", "bios (SeaBIOS) and uefi (OVMF)"};
  const auto* boot = machine ? json::object_or_null(*machine, "boot") : nullptr;
  if (boot && json::string_or(*boot, "firmware") == "bios") return {"firmware", "yes", "bios (SeaBIOS)"};
  return {"firmware", "needs", "uefi needs OVMF (apt install ovmf); bios works"};
}

std::uint64_t host_memory() {
  long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size) : 0;
}

}  // namespace

QemuBackend::QemuBackend(sdk::Host host, const sdk::Context&, std::string_view settings)
    : host_(host), settings_(parse_settings(settings)) {}

std::string QemuBackend::capabilities(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  const Binary binary = find_binary(settings_.binary);
  const Accelerator accelerator = choose_accelerator(host_, context, settings_, binary);

  json::Document report = json::make_object();
  json::Value capabilities(rapidjson::kObjectType);
  for (const auto& answer : fixed_answers) add_answer(report, capabilities, answer);
  const auto* machine = json::object_or_null(request, "machine");
  add_answer(report, capabilities, firmware_answer(settings_, machine));
  const std::string no_vsock = why_no_vsock();
  add_answer(report, capabilities,
             {"vsock", no_vsock.empty() ? "yes" : "needs",
              no_vsock.empty() ? "served by this host's kernel, which knows each guest by a context id of its own"
                               : no_vsock.c_str()});
  json::set_value(report, report, "capabilities", std::move(capabilities));

  json::Document vmm = json::make_object();
  json::set(vmm, vmm, "name", "qemu");
  json::set(vmm, vmm, "path", binary.path);
  // A question about one machine stands on the way of its launch, where a process more is too slow.
  if (!json::object_or_null(request, "machine")) json::set(vmm, vmm, "version", query_version(host_, context, binary));
  json::set_copy(report, report, "vmm", vmm);

  json::Document chosen = json::make_object();
  json::set(chosen, chosen, "name", accelerator.name);
  json::set(chosen, chosen, "reason", accelerator.reason);
  json::set(chosen, chosen, "emulated", accelerator.name == "tcg");
  json::set_copy(report, report, "accelerator", chosen);
  json::set(report, report, "disks", "local");
  json::set(report, report, "disk_formats", std::vector<std::string>{"qcow2", "raw"});
  json::set_value(report, report, "fused_hops", json::Value(rapidjson::kArrayType));
  json::Document limits = json::make_object();
  json::set(limits, limits, "cpus", most_cpus);
  if (std::uint64_t memory = host_memory(); memory > 0) json::set(limits, limits, "memory", memory);
  json::set_copy(report, report, "limits", limits);
  return json::render(report);
}

std::unique_ptr<sdk::Machine> QemuBackend::attach(const sdk::Context&, std::string_view machine_document) {
  return std::make_unique<QemuMachine>(host_, settings_, parse_machine(machine_document));
}

}  // namespace anyvisor::qemu
