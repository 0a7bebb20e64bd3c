// SPDX-License-Identifier: MIT
#include "live_snapshot.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>

#include "disk_nodes.hpp"
#include "file_system_freeze.hpp"
#include "guest_agent.hpp"

namespace anyvisor::qemu {
namespace {

// QEMU waits for the guest's requests that are under way, and flushes. The guest may be frozen meanwhile.
constexpr std::chrono::milliseconds switch_limit{8000};
constexpr std::chrono::milliseconds undo_limit{2000};
const std::string file_suffix = "-file";  // every node's file is a node of its own (disk_nodes.hpp)

struct Block {
  std::string top;                           // node that the disk's device is on now
  std::map<std::string, std::string> files;  // all nodes there are, with the file that QEMU has opened for it
};

Block find_block(const sdk::Context& context, QmpClient& client, const std::string& disk) {
  const auto devices_id = client.send("query-block");
  const auto nodes_id = client.send("query-named-block-nodes", R"({"flat":true})");
  json::Document devices = client.wait(context, devices_id);
  json::Document nodes = client.wait(context, nodes_id);
  Block block;
  if (nodes.IsArray())
    for (const auto& node : nodes.GetArray())
      block.files[json::string_or(node, "node-name")] = json::string_or(node, "file");
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

// `opened`: as QEMU called it when it opened it. The folder may have moved since; its files keep their names.
bool same_file(const std::string& opened, const std::string& path) {
  struct stat one {
  }, other{};
  if (::stat(opened.c_str(), &one) == 0 && ::stat(path.c_str(), &other) == 0)
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
  return opened.substr(opened.rfind('/') + 1) == path.substr(path.rfind('/') + 1);
}

// The node whose file it is, with or without a format node over it; empty when QEMU does not know the file.
std::string node_of(const Block& block, const std::string& path) {
  for (const auto& [name, file] : block.files)
    if (name.ends_with(file_suffix) && same_file(file, path)) return name.substr(0, name.size() - file_suffix.size());
  return {};
}

std::string naming(const std::string& node) {
  return R"({"node-name":")" + node + R"("})";
}

// Best effort: what stays is found by the next call.
void drop(QmpClient& client, const std::string& node) {
  try {
    LastingContext lasting(undo_limit);
    client.execute(lasting.get(), "blockdev-del", naming(node));
  } catch (const QmpError&) {
  }
}

ChainLink read_overlay(const json::Value& request) {
  const auto* overlay = json::object_or_null(request, "overlay");
  ChainLink link{overlay ? json::string_or(*overlay, "path") : std::string(),
                 overlay ? json::string_or(*overlay, "format", "qcow2") : std::string()};
  if (link.format != "qcow2")
    throw sdk::Failure(ANYVISOR_UNSUPPORTED, "an overlay has to be a qcow2 file").field("/overlay/format");
  if (::access(link.path.c_str(), R_OK | W_OK) != 0)
    throw sdk::Failure(ANYVISOR_NOT_FOUND, "the overlay cannot be opened for writing: " + link.path)
        .field("/overlay/path");
  return link;
}

// Makes QEMU open the overlay, on nothing yet. Returns its node.
std::string open_overlay(const sdk::Context& context, QmpClient& client, const Block& block, const ChainLink& link) {
  std::string node = node_of(block, link.path);
  if (node.empty()) {
    for (unsigned n = 1; node.empty() || block.files.contains(node) || block.files.contains(node + file_suffix); ++n)
      node = "overlay" + std::to_string(n);
    client.execute(context, "blockdev-add", protocol_node(link.path, node + file_suffix, false));
  }
  if (block.files.contains(node)) return node;
  try {
    client.execute(context, "blockdev-add", overlay_node(link, node));
  } catch (const QmpError&) {
    drop(client, node + file_suffix);
    throw;
  }
  return node;
}

}  // namespace

LiveSnapshot switch_to_overlay(const sdk::Context& context, QmpClient& client, const InstanceFolder& folder,
                               const json::Value& request) {
  const std::string disk = json::string_or(request, "disk");
  const ChainLink link = read_overlay(request);
  const Block block = find_block(context, client, disk);
  LiveSnapshot done;
  if (node_of(block, link.path) == block.top) return done;
  const std::string node = open_overlay(context, client, block, link);

  FileSystemFreeze freeze(folder);
  if (!json::bool_or(request, "freeze", false)) {
    done.why_not_frozen = "it was not asked for";
  } else if (!agent_listens(context, client)) {
    done.why_not_frozen = "no guest agent runs in the guest";
  } else {
    context.progress("guest freeze", 0, 0);
    freeze.freeze(context);
  }
  context.progress("disk switch", 0, 0);
  const auto begin = std::chrono::steady_clock::now();
  try {
    LastingContext lasting(switch_limit);
    client.execute(lasting.get(), "blockdev-snapshot",
                   R"({"node":")" + block.top + R"(","overlay":")" + node + R"("})");
  } catch (const QmpError&) {
    freeze.thaw();
    drop(client, node);
    drop(client, node + file_suffix);
    throw;
  }
  done.switched = true;
  if (freeze.asked()) {
    context.progress("guest thaw", 0, 0);
    done.frozen = freeze.thaw();
  }
  done.held = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  if (done.why_not_frozen.empty()) done.why_not_frozen = freeze.why_not();
  return done;
}

}  // namespace anyvisor::qemu
