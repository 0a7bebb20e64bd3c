// SPDX-License-Identifier: MIT
// The entry of anyvisor-debian-images.so.
#include <anyvisor/plugin.hpp>

#include "debian_images.hpp"

ANYVISOR_PLUGIN((anyvisor::sdk::Description{"debian-images", "0.1.0",
                                            "Builds Debian images with cloud-init from Debian's archive", "MIT",
                                            debian_images::settings_schema}),
                anyvisor::sdk::image_store<debian_images::DebianImages>())
