// SPDX-License-Identifier: MIT
// The image store over files of this machine.
#pragma once

#include <anyvisor/plugin.hpp>
#include <cstdint>

namespace local_images {

class LocalImages : public anyvisor::sdk::ImageStore {
 public:
  LocalImages(anyvisor::sdk::Host host, const anyvisor::sdk::Context& context, std::string_view settings);
  std::string capabilities(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string resolve(const anyvisor::sdk::Context& context, std::string_view request) override;
  std::string fetch(const anyvisor::sdk::Context& context, std::string_view request) override;

 private:
  anyvisor::sdk::Host host_;
  std::uint64_t max_virtual_size_;  // bytes
};

}  // namespace local_images
