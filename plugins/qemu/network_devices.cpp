// SPDX-License-Identifier: MIT
#include "network_devices.hpp"

#include "pci_layout.hpp"

namespace anyvisor::qemu {

std::string option_value(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    escaped += c;
    if (c == ',') escaped += ',';
  }
  return escaped;
}

std::string netdev_option(const Endpoint& endpoint, int tap_fd) {
  if (endpoint.mode == EndpointMode::none) return {};
  const std::string id = ",id=" + option_value(endpoint.id);
  if (endpoint.mode == EndpointMode::tap) {
    if (tap_fd >= 0) return "tap" + id + ",fd=" + std::to_string(tap_fd);
    return "tap" + id + ",ifname=" + option_value(endpoint.tap_name) + ",script=no,downscript=no";
  }
  std::string option = "user" + id + ",restrict=" + (endpoint.restricted ? "on" : "off");
  for (const auto& port : endpoint.publish)
    option += ",hostfwd=" + port.protocol + ":" + option_value(port.host_address) + ":" +
              std::to_string(port.host_port) + "-:" + std::to_string(port.guest_port);
  return option;
}

std::string nic_device(const Endpoint& endpoint, std::size_t index) {
  json::Document device = json::make_object();
  json::set(device, device, "driver", "virtio-net-pci");
  json::set(device, device, "id", "nic-" + endpoint.id);
  if (endpoint.mode != EndpointMode::none) json::set(device, device, "netdev", endpoint.id);
  json::set(device, device, "mac", endpoint.mac);
  json::set(device, device, "bus", "pcie.0");
  json::set(device, device, "addr", nic_address(index));
  json::set(device, device, "romfile", "");
  return json::render(device);
}

}  // namespace anyvisor::qemu
