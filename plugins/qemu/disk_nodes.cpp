// SPDX-License-Identifier: MIT
#include "disk_nodes.hpp"

#include "pci_layout.hpp"

namespace anyvisor::qemu {
namespace {

// Stated, not left to defaults: the host's page cache is used and the guest's flushes reach the disk. Every node must
// say so itself, -blockdev inherits nothing.
void set_cache(json::Document& node) {
  json::Document cache = json::make_object();
  json::set(cache, cache, "direct", false);
  json::set(cache, cache, "no-flush", false);
  json::set_copy(node, node, "cache", cache);
}

json::Document format_options(const std::string& node_name, const std::string& file_node, const std::string& format,
                              bool read_only) {
  json::Document node = json::make_object();
  json::set(node, node, "node-name", node_name);
  json::set(node, node, "driver", format);
  json::set(node, node, "read-only", read_only);
  json::set(node, node, "file", file_node);
  json::set(node, node, "discard", "unmap");
  // Zeroes that a guest writes need no room in an overlay.
  if (!read_only) json::set(node, node, "detect-zeroes", "unmap");
  set_cache(node);
  return node;
}

}  // namespace

std::string format_node(std::size_t disk, std::size_t link) {
  std::string name = "disk" + std::to_string(disk);
  return link == 0 ? name : name + "-back" + std::to_string(link);
}

std::string protocol_node(const std::string& path, const std::string& node_name, bool read_only) {
  json::Document node = json::make_object();
  json::set(node, node, "node-name", node_name);
  json::set(node, node, "driver", "file");
  json::set(node, node, "filename", path);
  json::set(node, node, "read-only", read_only);
  json::set(node, node, "discard", "unmap");
  set_cache(node);
  return json::render(node);
}

std::string overlay_node(const ChainLink& overlay, const std::string& node_name) {
  json::Document node = format_options(node_name, node_name + "-file", overlay.format, false);
  json::set_null(node, node, "backing");
  return json::render(node);
}

std::vector<std::string> blockdev_options(const Disk& disk, std::size_t index) {
  std::vector<std::string> options;
  for (std::size_t link = disk.chain.size(); link-- > 0;) {
    const bool read_only = disk.read_only || link > 0;
    const std::string name = format_node(index, link);
    options.push_back(protocol_node(disk.chain[link].path, name + "-file", read_only));
    json::Document node = format_options(name, name + "-file", disk.chain[link].format, read_only);
    if (link + 1 < disk.chain.size()) {
      json::set(node, node, "backing", format_node(index, link + 1));
    } else if (disk.chain[link].format != "raw") {
      json::set_null(node, node, "backing");
    }
    options.push_back(json::render(node));
  }
  return options;
}

std::string disk_device_id(const std::string& disk_id) {
  return "disk-" + disk_id;
}

std::string disk_device(const Disk& disk, std::size_t index, bool bootable) {
  json::Document device = json::make_object();
  json::set(device, device, "driver", "virtio-blk-pci");
  json::set(device, device, "id", disk_device_id(disk.id));
  json::set(device, device, "drive", format_node(index, 0));
  json::set(device, device, "bus", "pcie.0");
  json::set(device, device, "addr", disk_address(index));
  // /dev/disk/by-id/virtio-<id> in the guest; virtio-blk has room for 20 bytes.
  json::set(device, device, "serial", disk.id.substr(0, 20));
  json::set(device, device, "write-cache", "on");
  // A full disk of this host stops the guest until there is room; other errors are the guest's to handle.
  json::set(device, device, "werror", "enospc");
  json::set(device, device, "rerror", "report");
  if (disk.shared) json::set(device, device, "share-rw", true);
  if (bootable) json::set(device, device, "bootindex", static_cast<unsigned>(index + 1));
  return json::render(device);
}

}  // namespace anyvisor::qemu
