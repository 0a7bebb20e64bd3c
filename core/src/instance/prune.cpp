// SPDX-License-Identifier: MIT
// prune: what nothing refers to, told or removed. Removal is what each command does with leftovers; here it is asked
// for, waits for others, and may take images with it.
#include <algorithm>

#include "instance/collect.hpp"
#include "instance/locked_instance.hpp"
#include "instance/operations.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::milliseconds patience{10000};

// Images from which no instance was made that is still there, deleted ones among them.
Result<std::vector<ImageRecord>> unused_images(const Workspace& workspace) {
  ANYVISOR_TRY(auto images, ImageCatalog(workspace.home).list());
  ANYVISOR_TRY(const auto instances, read_instances(workspace));
  for (const auto& entry : instances) {
    if (!entry.record) return tl::unexpected<Error>(entry.record.error());
    std::erase_if(images, [&](const ImageRecord& image) { return image.id == entry.record->image_id; });
  }
  return images;
}

}  // namespace

Result<std::vector<Leftover>> prune(const Workspace& workspace, const PruneRequest& request, PhaseClock& clock) {
  clock.begin("check");
  std::vector<ImageRecord> images;
  if (request.images) {
    ANYVISOR_TRY(images, unused_images(workspace));
  }
  ANYVISOR_TRY(auto found, leftovers(workspace, images, patience));
  if (request.dry_run || found.empty()) return found;
  clock.begin("removal");
  for (const auto& image : images) ANYVISOR_CHECK(remove_image(workspace, image.id, clock));
  ANYVISOR_CHECK(collect(workspace, patience));
  return found;
}

}  // namespace anyvisor
