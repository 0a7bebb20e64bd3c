// SPDX-License-Identifier: MIT
// An accelerator that exists need not work: it is tried with a real guest, beside emulation, and the answer is kept.
#pragma once

#include <chrono>
#include <string>

#include "document/json.hpp"

namespace anyvisor::host {

// Request and reply: sdk/schemas/accelerator-probe.schema.json. `home`: its cache/ keeps the answer, by the request's
// key, kernel, CPU and the state of /dev/kvm; empty: it is not kept. Errors: invalid_argument, timeout, cancelled. That
// an accelerator does not work is no error.
Result<json::Document> probe_accelerator(const json::Value& request, const std::string& home,
                                         std::chrono::steady_clock::time_point deadline, int cancel_fd);

}  // namespace anyvisor::host
