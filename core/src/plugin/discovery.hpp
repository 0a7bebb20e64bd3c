// SPDX-License-Identifier: MIT
// Where plugins are, and whether their files can be trusted. Nothing here opens a plugin's code: that is the
// plugin-host's part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anyvisor/result.hpp"

namespace anyvisor {

// Tells a file from any other one and from an earlier state of itself.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;  // size: bytes
  std::int64_t mtime_ns = 0;                      // since the epoch
  bool operator==(const FileIdentity&) const = default;
};

// One file anyvisor-<id>.so. It is to be loaded when it has neither an error nor a shadow.
struct PluginFile {
  std::string path;            // absolute, as found; may be a symbolic link
  std::string resolved;        // absolute, without symbolic links: what is to be loaded; empty when it does not resolve
  std::string id;              // from the file's name; empty when that holds none
  FileIdentity identity;       // of the resolved file
  std::optional<Error> error;  // why it is refused
  std::string shadowed_by;     // path of the file that is used for this id instead; empty: none
  bool usable() const { return !error && shadowed_by.empty(); }
};

// The folders that are searched, in order: the entries of $ANYVISOR_PLUGIN_PATH, ~/.local/lib/anyvisor/plugins,
// `install_folder`. Absolute; each once. They need not be there.
std::vector<std::string> plugin_folders(const std::string& install_folder);

// All plugin files of those folders, in that order, in each folder by name. Of several with one id the first that is
// not refused is used; the others say so in `shadowed_by`. Missing folders are skipped; one that cannot be read is
// reported as a file without id. Never fails as a whole. [any thread]
std::vector<PluginFile> discover_plugins(const std::string& install_folder);

// One file, wherever it is and whatever its name (then without id): `anyvisor plugins check FILE`. Refused (`error`)
// are: not_found (no such file), invalid_argument (no regular file), unavailable (owned by neither root nor the
// effective user; the file or a folder that it is reached through can be written to by others). [any thread]
PluginFile inspect_plugin_file(const std::string& path);

// "local-images" for "anyvisor-local-images.so"; empty when the name has another form. [any thread]
std::string plugin_id_of_file_name(std::string_view file_name);

}  // namespace anyvisor
