// SPDX-License-Identifier: MIT
// Which accelerator runs the guests: KVM where it really works, else TCG, and why.
#pragma once

#include <anyvisor/plugin.hpp>
#include <string>

#include "settings.hpp"
#include "version.hpp"

namespace anyvisor::qemu {

struct Accelerator {
  std::string name;       // kvm or tcg
  std::string cpu_model;  // for -cpu
  std::string reason;     // one sentence for a person
};

// `automatic` asks the host's probe, which boots a small guest under both and caches the answer: 2 s at most the first
// time on a host, next to nothing afterwards. [instance thread]
Accelerator choose_accelerator(const sdk::Host& host, const sdk::Context& context, const Settings& settings,
                               const Binary& binary);

// The command that boots the probe guest from the file `kernel`. [any thread]
std::vector<std::string> probe_command(const std::string& binary, const std::string& accelerator,
                                       const std::string& cpu_model, const std::string& kernel);

}  // namespace anyvisor::qemu
