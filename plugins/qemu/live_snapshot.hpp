// SPDX-License-Identifier: MIT
// A live disk snapshot: the guest writes to a new overlay from now on, what it wrote before stays as it is.
#pragma once

#include <anyvisor/json.hpp>
#include <anyvisor/plugin.hpp>
#include <chrono>
#include <string>

#include "instance_folder.hpp"
#include "qmp_client.hpp"

namespace anyvisor::qemu {

struct LiveSnapshot {
  bool switched = false;  // false: the guest wrote to the overlay already
  bool frozen = false;    // its file systems were, while the disk was switched
  std::string why_not_frozen;
  std::chrono::microseconds held{
      0};  // how long the guest's writes waited, at most; without its own flush before a freeze
};

// Request: {"disk":ID,"overlay":{"path","format"},"freeze":bool}. The overlay's file exists and holds nothing; its
// header names the present top as its backing file. What QEMU itself has open counts, whoever brought it about: what an
// earlier call has left half done is completed. Undone when a step fails. Once the guest's file systems are frozen
// nobody can cancel it: it ends within 20 s. Throws sdk::Failure.
LiveSnapshot switch_to_overlay(const sdk::Context& context, QmpClient& client, const InstanceFolder& folder,
                               const json::Value& request);

}  // namespace anyvisor::qemu
