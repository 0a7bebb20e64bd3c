// SPDX-License-Identifier: MIT
// What the host does for one plugin: the anyvisor_host that is handed to its open().
#pragma once

#include <anyvisor/plugin.h>

#include <deque>
#include <mutex>
#include <string>

#include "vmm.hpp"

namespace anyvisor::host {

class Services {
 public:
  // `vmm`: of the instance; null in a plugin-host without one. `home`: for caches; empty: none.
  Services(std::string plugin_id, Vmm* vmm, std::string home);
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  const anyvisor_host* abi() const { return &host_; }

 private:
  static void on_log(const anyvisor_host* host, std::int32_t level, const char* message);
  static const char* on_intern(const anyvisor_host* host, const char* text, std::size_t size);
  static const char* on_temp_folder(const anyvisor_host* host);
  static anyvisor_status on_spawn(const anyvisor_host* host, const anyvisor_context* context,
                                  const anyvisor_process* process, anyvisor_child* child);
  static anyvisor_status on_run(const anyvisor_host* host, const anyvisor_context* context,
                                const anyvisor_process* process, const char** reply);
  static anyvisor_status on_probe(const anyvisor_host* host, const anyvisor_context* context, const char* request,
                                  const char** reply);

  std::string plugin_id_;
  Vmm* vmm_;
  std::string home_;
  anyvisor_host host_{};
  std::mutex mutex_;  // of the strings that any thread may ask for
  std::deque<std::string> interned_;
  std::string temp_folder_;
  std::string reply_;
};

}  // namespace anyvisor::host
