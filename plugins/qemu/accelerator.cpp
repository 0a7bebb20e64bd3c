// SPDX-License-Identifier: MIT
#include "accelerator.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <cerrno>
#include <cstring>

#include "descriptor.hpp"
#include "probe_guest.hpp"

namespace anyvisor::qemu {
namespace {

constexpr int probe_limit_ms = 1500;

std::string default_cpu_model(const Settings& settings, const std::string& accelerator) {
  if (!settings.cpu_model.empty()) return settings.cpu_model;
  return accelerator == "kvm" ? "host" : "max";
}

Accelerator chosen(const Settings& settings, const std::string& name, std::string reason) {
  return {name, default_cpu_model(settings, name), std::move(reason)};
}

// Why KVM is not there at all; empty when its device opens.
std::string missing_kvm() {
  Descriptor device(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (device) return {};
  if (errno == ENOENT) return "this host has no /dev/kvm";
  if (errno == EACCES) return "/dev/kvm may not be opened by this user (add it to the group kvm)";
  return std::string("/dev/kvm cannot be opened: ") + std::strerror(errno);
}

// The probe guest as a file without a name, which other processes open through this one's /proc entry.
struct ProbeKernel {
  Descriptor memory;
  std::string path;
};

ProbeKernel make_probe_kernel() {
  Descriptor memory(::memfd_create("anyvisor-probe", MFD_CLOEXEC));
  std::string_view bytes = probe_guest();
  if (!memory || ::write(memory.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw sdk::Failure(ANYVISOR_EXHAUSTED, std::string("cannot make the probe guest: ") + std::strerror(errno));
  std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(memory.get());
  return {std::move(memory), std::move(path)};
}

void set_command(json::Document& request, const char* member, const std::string& name,
                 const std::vector<std::string>& argv) {
  json::Document command = json::make_object();
  json::set(command, command, "name", name);
  json::set(command, command, "argv", argv);
  json::set(command, command, "marker", probe_marker);
  json::set_copy(request, request, member, command);
}

}  // namespace

std::vector<std::string> probe_command(const std::string& binary, const std::string& accelerator,
                                       const std::string& cpu_model, const std::string& kernel) {
  return {binary,
          "-nodefaults",
          "-no-user-config",
          "-no-reboot",
          "-display",
          "none",
          "-machine",
          "q35",
          "-accel",
          accelerator == "tcg" ? "tcg,thread=multi" : accelerator,
          "-cpu",
          cpu_model,
          "-m",
          "32M",
          "-serial",
          "stdio",
          "-kernel",
          kernel};
}

Accelerator choose_accelerator(const sdk::Host& host, const sdk::Context& context, const Settings& settings,
                               const Binary& binary) {
  if (settings.accelerator == AcceleratorChoice::kvm) return chosen(settings, "kvm", "set so in the plugin's settings");
  if (settings.accelerator == AcceleratorChoice::tcg) return chosen(settings, "tcg", "set so in the plugin's settings");
  if (std::string why = missing_kvm(); !why.empty()) return chosen(settings, "tcg", "no KVM: " + why);

  const std::string kvm_model = default_cpu_model(settings, "kvm");
  const std::string tcg_model = default_cpu_model(settings, "tcg");
  ProbeKernel kernel = make_probe_kernel();
  json::Document request = json::make_object();
  json::set(request, request, "key", "qemu:" + binary.identity + ":" + kvm_model + ":" + tcg_model);
  set_command(request, "candidate", "kvm", probe_command(binary.path, "kvm", kvm_model, kernel.path));
  set_command(request, "baseline", "tcg", probe_command(binary.path, "tcg", tcg_model, kernel.path));
  json::set(request, request, "limit_ms", probe_limit_ms);
  json::Document reply;
  reply.Parse(host.probe_accelerator(context, json::render(request)));
  if (reply.HasParseError() || !reply.IsObject())
    throw sdk::Failure(ANYVISOR_INTERNAL, "the host's accelerator probe answered no JSON object");
  std::string reason = json::string_or(reply, "reason");
  if (json::bool_or(reply, "usable", false))
    return chosen(settings, "kvm", reason.empty() ? "a probe showed that KVM works" : reason);
  return chosen(settings, "tcg", reason.empty() ? "a probe showed that KVM does not work here" : reason);
}

}  // namespace anyvisor::qemu
