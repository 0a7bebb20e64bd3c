// SPDX-License-Identifier: MIT
// The seed: a small ISO 9660 disk labelled "cidata" with what cloud-init is to do in a guest (its NoCloud data source).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "document/json.hpp"

namespace anyvisor::host {

// Names and contents, all in the disk's root folder.
using SeedFiles = std::vector<std::pair<std::string, std::string>>;

// The disk's bytes, with Rock Ridge and Joliet names. The same files give the same bytes, and nothing in them tells of
// this host. Errors: invalid_argument (a name), backend_failed (libarchive).
Result<std::string> make_seed(const SeedFiles& files);

// The protocol's seed.write: {"files":{NAME:TEXT}} becomes `folder`/seed.iso, mode 0600, durably. [worker]
Result<json::Document> write_seed(const std::string& folder, const json::Value& params);

}  // namespace anyvisor::host
