// SPDX-License-Identifier: MIT
// What plugins said of themselves when they were last loaded, so that most commands need not load them to know. Lives
// in the home folder's cache/, which may be removed at any time.
#pragma once

#include <optional>
#include <string>

#include "document/json.hpp"
#include "plugin/discovery.hpp"

namespace anyvisor {

// One file for each plugin's resolved path: <folder>/plugin-<hash of the path>.json. Many processes may use one cache.
// [any thread]
class DescriptorCache {
 public:
  // `host_version`: an answer that another version of anyvisor has cached counts as none.
  DescriptorCache(std::string folder, std::string host_version);

  // The cached element of the plugin-host's `plugins` answer (plugin-descriptor.schema.json) for exactly this state of
  // the file. Whatever is wrong with the cache's file, the answer is "none".
  std::optional<json::Document> get(const PluginFile& file) const;

  // Keeps `descriptor`, replacing what was there for this path. One that carries an "error" is not kept: such a plugin
  // is asked again each time. Errors: as write_file_atomically; the caller may ignore them.
  Result<void> put(const PluginFile& file, const json::Value& descriptor) const;

 private:
  std::string file_name(const PluginFile& file) const;
  std::string folder_, host_version_;
};

}  // namespace anyvisor
