// SPDX-License-Identifier: MIT
// The plugins of this process: loaded once, in the order of the command line. On the worker; answer() from anywhere
// once loaded() is true.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "open_plugin.hpp"

namespace anyvisor::host {

class PluginSet {
 public:
  PluginSet(std::vector<std::string> paths, Vmm* vmm, std::string home)
      : paths_(std::move(paths)), vmm_(vmm), home_(std::move(home)) {}

  // `on_plugin` hears of each path before it is loaded. [worker]
  void load(const std::function<void(const std::string& path)>& on_plugin);
  bool loaded() const { return loaded_; }
  // The reply of the `plugins` method. [any thread, once loaded]
  json::Document answer() const;
  // Errors: not_found, or why it could not be loaded. [worker]
  Result<OpenPlugin*> find(const std::string& id);
  // Closes what is open of them; machines have to be detached. Once no call runs.
  void close();

 private:
  std::vector<std::string> paths_;
  Vmm* vmm_;
  std::string home_;
  std::map<std::string, std::unique_ptr<OpenPlugin>> plugins_;
  std::map<std::string, Error> failed_;  // by path
  std::atomic<bool> loaded_{false};
};

}  // namespace anyvisor::host
