// SPDX-License-Identifier: MIT
// A live disk snapshot: the guest writes to a new overlay from now on, what it wrote before stays as it is.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>

#include "qmp_client.hpp"

namespace anyvisor::qemu {

// Request: {"disk":ID,"overlay":{"path","format"}}. The overlay's file exists; its header names the present top as its
// backing file. Undone when a step fails. Throws sdk::Failure.
void switch_to_overlay(const sdk::Context& context, QmpClient& client, const json::Value& request);

}  // namespace anyvisor::qemu
