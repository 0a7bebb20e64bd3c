// SPDX-License-Identifier: MIT
#include "clone/strategy.hpp"

#include <algorithm>

namespace anyvisor {

std::string_view strategy_name(CloneStrategy strategy) {
  switch (strategy) {
    case CloneStrategy::automatic:
      return "automatic";
    case CloneStrategy::overlay:
      return "overlay";
    case CloneStrategy::reflink:
      return "reflink";
    case CloneStrategy::copy:
      return "copy";
  }
  return "";
}

Result<ChosenStrategy> choose_strategy(CloneStrategy asked, const std::string& format,
                                       const std::function<Result<std::vector<std::string>>()>& backend_formats) {
  ChosenStrategy chosen;
  chosen.strategy = asked;
  chosen.format = format;
  chosen.reason = "it was asked for";
  // A source on a qcow2 disk shows that its backend takes those.
  if (format != "qcow2") {
    ANYVISOR_TRY(const auto formats, backend_formats());
    chosen.overlays = std::ranges::find(formats, "qcow2") != formats.end();
  }
  if (asked == CloneStrategy::overlay && !chosen.overlays)
    return fail(ErrorKind::unsupported,
                "the source's backend takes no qcow2 disks, so a clone cannot stand on its disk",
                "leave --strategy out, or give reflink or copy", "/strategy");
  if (asked != CloneStrategy::automatic) return chosen;
  chosen.strategy = chosen.overlays ? CloneStrategy::overlay : CloneStrategy::reflink;
  chosen.copy_instead = !chosen.overlays;
  chosen.reason = chosen.overlays ? "the backend takes disks that stand on others"
                                  : "the backend takes no disks that stand on others";
  return chosen;
}

}  // namespace anyvisor
