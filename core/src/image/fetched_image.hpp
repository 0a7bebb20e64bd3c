// SPDX-License-Identifier: MIT
// How an image comes into the home folder: an image store brings it into a staging folder, one rename publishes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "document/json.hpp"
#include "image/image_catalog.hpp"
#include "instance/operations.hpp"

namespace anyvisor {

// 1 to 128 letters, digits, '.', '_', ':' and '-', with a letter or digit at both ends, and no id.
// Errors: invalid_argument.
Result<void> check_image_name(std::string_view name);

// What a store knows of a reference without fetching it.
struct ResolvedImage {
  PluginInfo store;
  std::string name, key, summary;
  bool is_being_built = false;
};

// Asks the stores in turn: the first that does not decline. Errors: not_found (each declines, with their reasons as
// cause), or that store's own.
Result<ResolvedImage> resolve_image(const Workspace& workspace, const std::string& reference, Operation& operation);

// Fetches from these stores in turn and publishes: the image that the first brings that does not decline. One that is
// not ready, since another process builds it, is asked again every second until the operation is cancelled.
// `adopt`: an image of the same store and key that came into the home folder meanwhile is as good, and is answered.
// Errors: those of the store; unsupported (all decline); already_exists (the name).
Result<ImageRecord> fetch_image(const Workspace& workspace, const std::vector<PluginInfo>& stores,
                                const ImportRequest& request, bool adopt, PhaseClock& clock);

// The image of that store and key, if the home folder has one.
Result<std::optional<ImageRecord>> find_by_key(const Workspace& workspace, const std::string& store,
                                               const std::string& key);

}  // namespace anyvisor
