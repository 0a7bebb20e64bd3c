// SPDX-License-Identifier: MIT
// A call's context, as the host would make it.
#pragma once

#include <anyvisor/plugin.hpp>
#include <chrono>

namespace anyvisor::cloud_hypervisor::test {

class TestContext {
 public:
  explicit TestContext(std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    using namespace std::chrono;
    context_.struct_size = sizeof context_;
    context_.cancel_fd = -1;
    context_.deadline_ns =
        static_cast<std::uint64_t>(nanoseconds((steady_clock::now() + limit).time_since_epoch()).count());
    context_.is_cancelled = [](const anyvisor_context* context) -> std::int32_t {
      return steady_clock::now().time_since_epoch() >= nanoseconds(context->deadline_ns) ? 1 : 0;
    };
    context_.fail = [](const anyvisor_context*, const anyvisor_error* error) { return error->status; };
  }
  void set_cancel_fd(int fd) { context_.cancel_fd = fd; }
  sdk::Context get() const { return sdk::Context(&context_); }

 private:
  anyvisor_context context_{};
};

}  // namespace anyvisor::cloud_hypervisor::test
