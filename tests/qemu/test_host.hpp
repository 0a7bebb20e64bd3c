// SPDX-License-Identifier: MIT
// The host's side of the plugin ABI, as small as a test of one plugin needs it: starts real processes with fork and
// exec.
#pragma once

#include <sys/types.h>

#include <anyvisor/plugin.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "test_context.hpp"

namespace anyvisor::qemu::test {

// Ends and reaps every process that it started, at the latest when it goes.
class TestHost {
 public:
  // `folder`: logs/vmm.log of it gets the VMM's output.
  explicit TestHost(std::string folder);
  ~TestHost();
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  sdk::Host get() const { return sdk::Host(&host_); }
  pid_t vmm() const { return vmm_; }
  // Waits for the VMM's end; false when it still lives after the limit.
  bool vmm_ends_within(std::chrono::milliseconds limit);
  void kill_vmm();

  // What the next probe of an accelerator answers.
  std::string probe_reply = R"({"usable":false,"reason":"not probed in this test","cached":true})";
  std::string last_probe;
  std::vector<std::string> last_argv;
  int helper_runs = 0;

 private:
  static TestHost* self(const anyvisor_host* host) { return static_cast<TestHost*>(host->host_data); }
  anyvisor_host host_{};
  std::string folder_, run_reply_;
  pid_t vmm_ = -1;
};

}  // namespace anyvisor::qemu::test
