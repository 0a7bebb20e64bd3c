// SPDX-License-Identifier: MIT
// A host of the test's own, as far as an image store needs one: it runs helpers, and remembers what the plugin
// reported.
#pragma once

#include <anyvisor/plugin.h>

#include <cstdint>
#include <string>
#include <vector>

namespace test {

struct ProgressReport {
  std::string phase;
  std::uint64_t done, total;
};

class FakeHost {
 public:
  FakeHost();
  const anyvisor_host* host() const { return &host_; }
  const anyvisor_context* context() const { return &context_; }

  bool cancelled = false;
  std::string path = "/usr/sbin:/usr/bin:/sbin:/bin";  // PATH of the helpers
  std::vector<ProgressReport> reports;
  std::vector<std::vector<std::string>> helpers;  // argv of each helper that ran
  anyvisor_status status = ANYVISOR_OK;           // of the last failure
  std::string message, field, hint;

 private:
  std::string run(const anyvisor_process& process);
  anyvisor_host host_{};
  anyvisor_context context_{};
  std::string reply_;
};

}  // namespace test
