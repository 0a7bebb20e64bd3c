// SPDX-License-Identifier: MIT
// The moment at which a new instance begins to exist: its name, its MACs and its vsock context id are chosen and taken,
// then one rename.
#pragma once

#include <functional>

#include "instance/locked_instance.hpp"
#include "instance/staged_folder.hpp"

namespace anyvisor {

// For an early answer; what counts is publish_instance(). Errors: already_exists (field /name).
Result<void> check_name_is_free(const Workspace& workspace, const std::string& name);

using IsTaken = std::function<bool(const std::string&)>;

// `record` without a name gets the one that `choose_name` makes of the taken ones; every network attachment gets a MAC
// that no other instance of this home has, nor one that is being made, and a guest that people log in to a vsock
// context id likewise. `prepare`, where given, then does what depends on them, with nobody waiting for it: name and
// MACs are taken as soon as instance.json stands in the staged folder. `operation`: whose intent the published instance
// has; empty: none. Errors: already_exists (field /name), busy, exhausted.
Result<LockedInstance> publish_instance(
    const Workspace& workspace, StagedFolder staged, InstanceRecord record,
    const std::function<std::string(const IsTaken&)>& choose_name, const std::string& operation,
    const std::function<Result<void>(const InstanceRecord&, StagedFolder&)>& prepare = {});

}  // namespace anyvisor
