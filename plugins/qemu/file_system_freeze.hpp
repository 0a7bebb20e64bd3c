// SPDX-License-Identifier: MIT
// The guest's file systems, frozen for a moment through its agent: all that was written is on the disk, and nothing is
// written until they are thawed. A guest that stays frozen is as good as dead, so a thaw always follows: with the end
// of this object; and when its process is killed meanwhile, by the next one that adopts the VMM, which a file in the
// instance's folder tells that there is something to thaw.
#pragma once

#include <anyvisor/plugin.hpp>
#include <optional>
#include <string>

#include "agent_conversation.hpp"
#include "instance_folder.hpp"

namespace anyvisor::qemu {

class FileSystemFreeze {
 public:
  explicit FileSystemFreeze(const InstanceFolder& folder) : folder_(folder) {}
  ~FileSystemFreeze() { thaw(); }
  FileSystemFreeze(const FileSystemFreeze&) = delete;
  FileSystemFreeze& operator=(const FileSystemFreeze&) = delete;

  // Whether they are frozen now; if not, why_not() says it. Takes at most 5 s. Failures: CANCELLED.
  bool freeze(const sdk::Context& context);
  // Whether there is anything to thaw.
  bool asked() const { return asked_; }
  const std::string& why_not() const { return why_not_; }
  // Thaws what is, or may yet become, frozen. Whether they were frozen all the time until now. Nobody can cancel it; at
  // most 6 s.
  bool thaw() noexcept;

 private:
  const InstanceFolder& folder_;
  std::optional<AgentConversation> agent_;
  bool asked_ = false, answered_ = false, frozen_ = false;
  std::string why_not_;
};

// After a plugin-host's death in the middle of a freeze: thaws what it has left frozen. Returns what to say in the log,
// empty when there was nothing to do. At most 3 s.
std::string thaw_what_was_left(const InstanceFolder& folder) noexcept;
// A guest that begins anew has nothing frozen.
void forget_freeze(const InstanceFolder& folder) noexcept;

}  // namespace anyvisor::qemu
