// SPDX-License-Identifier: MIT
// What Cloud Hypervisor tells without being asked: JSON objects over a pipe, an empty line behind each. The VMM writes
// to it without waiting: when nobody reads for long, events are lost, and so the pipe tells when to ask, not what is.
#pragma once

#include <string>
#include <vector>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor {

struct VmmEvent {
  std::string source, name;  // "vm", "shutdown"
};

// One thread at a time.
class EventStream {
 public:
  EventStream() = default;
  // A pipe's reading end; it becomes non-blocking.
  explicit EventStream(Descriptor pipe);

  // -1: nothing will come any more.
  int fd() const { return pipe_.get(); }
  // What there is now, without waiting. At the end of the stream, or when what comes is no event, it closes.
  std::vector<VmmEvent> drain();

 private:
  Descriptor pipe_;
  std::string input_;
};

}  // namespace anyvisor::cloud_hypervisor
