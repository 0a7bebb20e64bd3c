// SPDX-License-Identifier: MIT
// Whether KVM works on this host, for backends whose VMM can use it. A device that opens is not enough: the host's
// accelerator probe (accelerator-probe.schema.json) boots a small guest with the backend's own VMM, and keeps the
// answer.
#pragma once

#include <anyvisor/plugin.hpp>
#include <functional>
#include <string>
#include <vector>

namespace anyvisor::sdk {

// Why /dev/kvm cannot be used at all, in one sentence for a person; empty: it opens and answers. Says nothing of
// whether guests run well on it. [any thread]
std::string why_no_kvm();

// The command that boots the file `kernel`, prints on its standard output what the guest writes to COM1, and ends when
// the guest resets or powers off.
using ProbeCommand = std::function<std::vector<std::string>(const std::string& kernel)>;

struct KvmQuestion {
  std::string key;      // all that the answer depends on besides kernel and CPU: the VMM's file, the CPU model
  ProbeCommand on_kvm;  // with KVM
  // The same in software emulation, named so (e.g. "tcg"), to be compared with. A VMM that has none gives none: then a
  // time limit decides, longer where this host is slow itself.
  std::string emulation;
  ProbeCommand emulated;
  int limit_ms;  // how long the guest may take with KVM
};

struct KvmAnswer {
  bool usable = false;
  std::string reason;  // one sentence for a person
};

// Asks the host, which runs the commands or knows the answer already: a boot or two the first time, next to nothing
// afterwards. Throws sdk::Failure: EXHAUSTED, TIMEOUT or CANCELLED of the call itself, INTERNAL. [instance-thread]
KvmAnswer probe_kvm(const Host& host, const Context& context, const KvmQuestion& question);

}  // namespace anyvisor::sdk
