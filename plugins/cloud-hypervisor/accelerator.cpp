// SPDX-License-Identifier: MIT
#include "accelerator.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

// A KVM that works takes a twentieth of it; one whose kernel interprets each instruction of the guest's takes 14 s.
constexpr int probe_limit_ms = 3000;

}  // namespace

sdk::KvmAnswer examine_kvm(const sdk::Host& host, const sdk::Context& context, const Settings& settings,
                           const Binary& binary) {
  if (std::string why = sdk::why_no_kvm(); !why.empty()) return {false, std::move(why)};
  if (settings.believe_kvm) return {true, "set so in the plugin's settings"};
  sdk::KvmQuestion question;
  question.key = "cloud-hypervisor:" + binary.identity;
  question.on_kvm = [&](const std::string& kernel) {
    return std::vector<std::string>{binary.path, "--kernel", kernel, "--memory",  "size=32M", "--cpus",
                                    "boot=1",    "--serial", "tty",  "--console", "off"};
  };
  question.limit_ms = probe_limit_ms;
  return sdk::probe_kvm(host, context, question);
}

}  // namespace anyvisor::cloud_hypervisor
