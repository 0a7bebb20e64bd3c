// SPDX-License-Identifier: MIT
// One run of the recipe.
#pragma once

#include <anyvisor/plugin.hpp>
#include <string>

#include "image_cache.hpp"
#include "reference.hpp"

namespace debian_images {

struct BuildRequest {
  const Suite& suite;
  std::string mirror;  // empty: as this machine reaches the archive
};

// Builds into cache.making() and publishes as cache.image(). The lock is `lock`: each process of the build inherits it.
// Whatever ends this process, or cancels the call, ends all of them. Throws Failure: unavailable (no archive, no
// namespaces), exhausted (no space), backend_failed; cancelled and timeout as the host reports them.
void build_image(const anyvisor::sdk::Host& host, const anyvisor::sdk::Context& context, const BuildRequest& request,
                 const ImageCache& cache, const BuildLock& lock);

}  // namespace debian_images
