// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "anyvisor/result.hpp"

namespace anyvisor {

// Replaces `folder`/`name` by `text`: temporary file in the same folder, fsync, rename, fsync of the folder. After a
// crash the file is the old one or the new one, whole. `step` names the DurableStep. On failure nothing is changed and
// no temporary file is left.
Result<void> write_file_atomically(const std::string& folder, const std::string& name, std::string_view text,
                                   const char* step);
// unlink + fsync of the folder, as one DurableStep. A missing file is no error.
Result<void> remove_file_durably(const std::string& folder, const std::string& name, const char* step);
// rename + fsync of both parents, as one DurableStep. Errors: already_exists when `to` is there (RENAME_NOREPLACE).
Result<void> rename_durably(const std::string& from, const std::string& to, const char* step);
// mkdir -p with mode 0700 for what is made; fsync of the parents that got an entry, as one DurableStep when anything
// was made.
Result<void> make_folder_durably(const std::string& path, const char* step);
// Removes a whole tree without following links, as one DurableStep. A missing tree is no error.
Result<void> remove_tree_durably(const std::string& path, const char* step);
// Removes the temporary files (".<name>.<pid>.<n>.tmp") that killed writers left in `folder`; those of living processes
// stay. As one DurableStep when there are any. A missing folder is no error.
Result<void> remove_stale_temporaries(const std::string& folder, const char* step);
// fsync of a file that is there; not through a link.
Result<void> flush_file(const std::string& path);
// fsync of a folder.
Result<void> sync_folder(const std::string& path);

}  // namespace anyvisor
