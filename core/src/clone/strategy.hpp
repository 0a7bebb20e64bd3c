// SPDX-License-Identifier: MIT
// Which way a clone gets its disk, chosen by what the backend and the file system can.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "anyvisor/manager.hpp"

namespace anyvisor {

struct ChosenStrategy {
  CloneStrategy strategy = CloneStrategy::overlay;  // never automatic
  bool copy_instead = false;                        // of reflink: a full copy will do where the file system cannot
  // The backend takes disks that stand on others: the source's may be frozen and go on on a new overlay.
  bool overlays = true;
  std::string format;  // of a copy
  std::string reason;  // why this one, for people
};

// "overlay", "reflink", "copy"; "automatic" for that.
std::string_view strategy_name(CloneStrategy strategy);

// `format`: of the source's top disk. `backend_formats`: what the backend says that it takes ("disk_formats"); asked
// only where the source's own disk does not tell. Errors: unsupported (overlay, with a backend that cannot), those of
// asking.
Result<ChosenStrategy> choose_strategy(CloneStrategy asked, const std::string& format,
                                       const std::function<Result<std::vector<std::string>>()>& backend_formats);

}  // namespace anyvisor
