// SPDX-License-Identifier: MIT
#include "image/bring_image.hpp"

#include "image/fetched_image.hpp"

namespace anyvisor {

Result<ImageRecord> bring_image(const Workspace& workspace, const std::string& reference, PhaseClock& clock) {
  auto known = ImageCatalog(workspace.home).find(reference);
  // A store's reference has the form of a name; a path, for one, is for image import.
  if (known || known.error().kind != ErrorKind::not_found || !check_image_name(reference)) return known;
  clock.begin("image");
  auto resolved = resolve_image(workspace, reference, clock.operation());
  if (!resolved) {
    if (resolved.error().kind != ErrorKind::not_found) return tl::unexpected(std::move(resolved).error());
    known.error().cause = std::make_shared<const Error>(std::move(resolved).error());
    return known;
  }
  ANYVISOR_TRY(auto same, find_by_key(workspace, resolved->store.id, resolved->key));
  if (same) return std::move(*same);
  ImportRequest request;
  request.disk = reference;
  request.name = reference;
  return fetch_image(workspace, {resolved->store}, request, true, clock);
}

}  // namespace anyvisor
