// SPDX-License-Identifier: MIT
#include "instance/lookup.hpp"

#include "instance/identifier.hpp"

namespace anyvisor {

Result<std::size_t> look_up(const std::string& wanted, const std::vector<Label>& labels, const std::string& kind,
                            const std::string& hint) {
  constexpr std::size_t shortest_prefix = 3;  // below that, a mistyped name would soon hit something
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i].id == wanted || labels[i].name == wanted) return i;
  std::vector<std::size_t> matches;
  if (wanted.size() >= shortest_prefix)
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i].id.starts_with(wanted) || short_id(labels[i].id).starts_with(wanted)) matches.push_back(i);
  if (matches.size() == 1) return matches.front();
  if (matches.empty()) return fail(ErrorKind::not_found, kind + " \"" + wanted + "\" does not exist", hint);
  std::string list;
  for (auto i : matches) list += (list.empty() ? "" : ", ") + labels[i].name + " (" + short_id(labels[i].id) + ")";
  return fail(ErrorKind::ambiguous, "\"" + wanted + "\" could be any of these: " + list,
              "give more of the id, or the name");
}

}  // namespace anyvisor
