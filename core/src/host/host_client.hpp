// SPDX-License-Identifier: MIT
// The client side of the plugin-host (ARCHITECTURE.md, 'The plugin-host's protocol').
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "anyvisor/operation.hpp"
#include "document/json.hpp"
#include "process/spawn.hpp"
#include "wire/line_channel.hpp"

namespace anyvisor {

class HostClient {
 public:
  using milliseconds = std::chrono::milliseconds;

  // Connects to the plugin-host of the instance in `instance_folder` (published or staging), if there is one.
  // Errors: unavailable (none is running). A host of another protocol or version is asked to retire, waited for, and
  // unavailable is returned.
  static Result<HostClient> connect(const std::string& instance_folder, milliseconds patience);
  // connect(), and when there is none start `program` for the folder and connect to it (two processes that do this at
  // once end up with the same one). `plugins`: files to load. Errors: unavailable, timeout.
  static Result<HostClient> connect_or_start(const std::string& program, const std::string& instance_folder,
                                             const std::vector<std::string>& plugins, milliseconds patience);
  // A short-lived plugin-host of our own, ended (and reaped) with this object.
  // `home`: the home folder whose cache it may use; empty: none.
  static Result<HostClient> start_private(const std::string& program, const std::vector<std::string>& plugins,
                                          const std::string& home = {});

  HostClient(HostClient&&) noexcept;
  HostClient& operator=(HostClient&&) noexcept;
  ~HostClient();

  // One request and its answer; progress goes to operation.progress; operation.cancel_fd sends a cancel and waits on
  // for the answer. Errors: what the plugin-host answered; timeout when no answer came within `limit` plus two seconds
  // (a private host is then killed); backend_failed "the plugin-host ended (signal 11) while <method> ran" when it
  // dies.
  Result<json::Document> call(const std::string& method, const json::Value& params, milliseconds limit,
                              Operation& operation);
  // The same without progress and cancellation.
  Result<json::Document> call(const std::string& method, const json::Value& params, milliseconds limit);

  // The peer's pid as the kernel tells it.
  int pid() const;

 private:
  struct Connection;
  explicit HostClient(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace anyvisor
