// SPDX-License-Identifier: MIT
#include "live_snapshot.hpp"

#include <unistd.h>

#include <set>
#include <string>

#include "disk_nodes.hpp"

namespace anyvisor::qemu {
namespace {

struct Block {
  std::string top;              // node that the disk's device is on now
  std::set<std::string> names;  // all nodes there are
};

Block find_block(const sdk::Context& context, QmpClient& client, const std::string& disk) {
  const auto devices_id = client.send("query-block");
  const auto nodes_id = client.send("query-named-block-nodes", R"({"flat":true})");
  json::Document devices = client.wait(context, devices_id);
  json::Document nodes = client.wait(context, nodes_id);
  Block block;
  if (nodes.IsArray())
    for (const auto& node : nodes.GetArray()) block.names.insert(json::string_or(node, "node-name"));
  // The device's path ends in its child, which does the reading and writing.
  const std::string path = "/machine/peripheral/" + disk_device_id(disk) + "/";
  if (devices.IsArray())
    for (const auto& device : devices.GetArray()) {
      const auto* inserted = json::object_or_null(device, "inserted");
      if (inserted && json::string_or(device, "qdev").starts_with(path))
        block.top = json::string_or(*inserted, "node-name");
    }
  if (block.top.empty())
    throw sdk::Failure(ANYVISOR_NOT_FOUND, "the machine has no disk '" + disk + "'").field("/disk");
  return block;
}

}  // namespace

void switch_to_overlay(const sdk::Context& context, QmpClient& client, const json::Value& request) {
  const std::string disk = json::string_or(request, "disk");
  const auto* overlay = json::object_or_null(request, "overlay");
  const ChainLink link{overlay ? json::string_or(*overlay, "path") : std::string(),
                       overlay ? json::string_or(*overlay, "format", "qcow2") : std::string()};
  if (link.format != "qcow2")
    throw sdk::Failure(ANYVISOR_UNSUPPORTED, "an overlay has to be a qcow2 file").field("/overlay/format");
  if (::access(link.path.c_str(), R_OK | W_OK) != 0)
    throw sdk::Failure(ANYVISOR_NOT_FOUND, "the overlay cannot be opened for writing: " + link.path)
        .field("/overlay/path");
  const Block block = find_block(context, client, disk);
  std::string node;
  for (unsigned n = 1; node.empty() || block.names.contains(node); ++n) node = "overlay" + std::to_string(n);
  const std::string file = node + "-file";
  const std::string drop_file = R"({"node-name":")" + file + R"("})";
  const std::string drop_node = R"({"node-name":")" + node + R"("})";

  client.execute(context, "blockdev-add", protocol_node(link.path, file, false));
  try {
    client.execute(context, "blockdev-add", overlay_node(link, node));
    try {
      client.execute(context, "blockdev-snapshot", R"({"node":")" + block.top + R"(","overlay":")" + node + R"("})");
    } catch (const QmpError&) {
      client.execute(context, "blockdev-del", drop_node);
      throw;
    }
  } catch (const QmpError&) {
    client.execute(context, "blockdev-del", drop_file);
    throw;
  }
}

}  // namespace anyvisor::qemu
