// SPDX-License-Identifier: MIT
#include "accelerator.hpp"

#include "kvm_probe.hpp"

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
  if (std::string why = sdk::why_no_kvm(); !why.empty()) return chosen(settings, "tcg", "no KVM: " + why);

  const std::string kvm_model = default_cpu_model(settings, "kvm");
  const std::string tcg_model = default_cpu_model(settings, "tcg");
  sdk::KvmQuestion question;
  question.key = "qemu:" + binary.identity + ":" + kvm_model + ":" + tcg_model;
  question.on_kvm = [&](const std::string& kernel) { return probe_command(binary.path, "kvm", kvm_model, kernel); };
  question.emulation = "tcg";
  question.emulated = [&](const std::string& kernel) { return probe_command(binary.path, "tcg", tcg_model, kernel); };
  question.limit_ms = probe_limit_ms;
  sdk::KvmAnswer answer = sdk::probe_kvm(host, context, question);
  return chosen(settings, answer.usable ? "kvm" : "tcg", std::move(answer.reason));
}

}  // namespace anyvisor::qemu
