// SPDX-License-Identifier: MIT
// A home folder with one instance, and plugin-hosts for it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host/host_client.hpp"
#include "process/process_identity.hpp"

namespace host_test {

using namespace anyvisor;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline const std::string program = PLUGIN_HOST;
inline const std::string test_backend = TEST_PLUGINS "/anyvisor-test-backend.so";
inline const std::string plain_c = TEST_PLUGINS "/anyvisor-plain-c.so";
inline constexpr milliseconds patience{20000};  // far more than anything takes, also under a sanitizer

json::Document parsed(const std::string& text);
bool is_running(int pid);  // there, and no zombie
bool eventually(const std::function<bool()>& condition, milliseconds limit = patience);

class HostTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The instance's plugin-host; remembered, and killed in the end.
  HostClient connect();
  // Its answer has to be a result; adds a failure otherwise.
  json::Document call(HostClient& client, const std::string& method, const std::string& params = "{}");
  Error error_of(HostClient& client, const std::string& method, const std::string& params = "{}",
                 milliseconds limit = seconds(10));
  // Params of machine.attach for the test backend with these settings.
  std::string attachment(const std::string& settings = "{}") const;
  // Attached and created; the VMM is remembered.
  HostClient created(const std::string& settings = "{}");
  ProcessRecord record() const;
  bool lock_is_free() const;

  std::string home_, folder_;
  int vmm_ = 0;
  std::vector<int> hosts_;
};

}  // namespace host_test
