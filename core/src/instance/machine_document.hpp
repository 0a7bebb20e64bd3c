// SPDX-License-Identifier: MIT
#pragma once

#include "instance/instance_record.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

// The machine document (sdk/schemas/machine.schema.json) of an instance: absolute paths, the whole disk chain.
// Errors: corrupted (a disk of the chain is missing).
Result<json::Document> make_machine_document(const Workspace& workspace, const InstanceRecord& record);

}  // namespace anyvisor
