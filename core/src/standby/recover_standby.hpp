// SPDX-License-Identifier: MIT
#pragma once

#include "instance/intent.hpp"
#include "instance/locked_instance.hpp"

namespace anyvisor {

// Finishes or undoes an interrupted standby or restore, by the tables of docs/standby.md. Returns whether that is done:
// false: the VMM does not answer now, and everything stays as it is, intent and all. Errors: those of ending a VMM and
// of letting a guest go on.
Result<bool> recover_standby(const Workspace& workspace, LockedInstance& locked, const Intent& intent);

}  // namespace anyvisor
