// SPDX-License-Identifier: MIT
// The image store of Debian images that are built here.
#pragma once

#include <anyvisor/plugin.hpp>
#include <string>

namespace debian_images {

extern const char* const settings_schema;

class DebianImages : public anyvisor::sdk::ImageStore {
 public:
  DebianImages(anyvisor::sdk::Host host, const anyvisor::sdk::Context& context, std::string_view settings);
  std::string capabilities(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string resolve(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string list(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string fetch(const anyvisor::sdk::Context& context, std::string_view request) override;

 private:
  anyvisor::sdk::Host host_;
  std::string mirror_;  // empty: as this machine reaches the archive
};

}  // namespace debian_images
