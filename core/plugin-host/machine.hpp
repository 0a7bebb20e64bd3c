// SPDX-License-Identifier: MIT
// The instance's machine in its plugin-host: backend handle, networks, state. The hops run on the worker; the state may
// be asked for anywhere.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "open_plugin.hpp"

namespace anyvisor::host {

class Machine {
 public:
  using FindPlugin = std::function<Result<OpenPlugin*>(const std::string& id)>;
  Machine(std::string folder, FindPlugin find_plugin);
  ~Machine();

  Vmm& vmm() { return vmm_; }

  // The protocol's machine.* and network.acquire. [worker]
  Result<json::Document> attach(const json::Value& params, CallContext& call);
  Result<json::Document> acquire(const json::Value& params, CallContext& call);
  // Both start the VMM; when that fails it is ended again, and what the networks hold is released.
  Result<json::Document> create(const json::Value& params, CallContext& call);
  Result<json::Document> restore(const json::Value& params, CallContext& call);
  Result<json::Document> terminate(const json::Value& params, CallContext& call);
  // boot, pause, resume, shutdown, state, save, ...: straight to the plugin. Errors: unsupported for a name that is
  // none.
  Result<json::Document> hop(const std::string& name, const json::Value& params, CallContext& call);
  Result<json::Document> on_event(CallContext& call);
  // After the VMM's end: lets go of what was held for it. [worker]
  void release(CallContext& call);

  // What is known now; never blocks on the VMM. [any thread]
  struct Known {
    std::string state = "stopped", reason, since;
    bool attached = false;
    std::string backend;  // id of the attached machine's plugin
  };
  Known known() const;
  void set_state(const std::string& state, const std::string& reason);  // [any thread]
  // The plugin's event descriptor as it was after the last call, or -1. [any thread]
  int event_fd() const;
  // A plugin keeps the memory of a machine that sleeps without a VMM (saved with "durable": false): it is lost with
  // this process. [any thread]
  bool keeps_memory() const { return keeps_memory_; }
  bool attached() const { return known().attached; }
  // Lets go of the backend's handle; a VMM stays. [worker, or when it has ended]
  void detach();

 private:
  Result<json::Document> start_vmm(const std::string& name, anyvisor_machine_call anyvisor_backend_draft1::*function,
                                   const json::Value& params, CallContext& call);
  Result<json::Document> hop_call(const std::string& name, anyvisor_machine_call function, const json::Value& params,
                                  CallContext& call, std::string_view reply_schema);
  Result<void> adopt(CallContext& call);
  json::Document state_reply() const;
  void refresh_event_fd();

  std::string folder_;
  FindPlugin find_plugin_;
  Vmm vmm_;
  OpenPlugin* backend_ = nullptr;
  anyvisor_machine* handle_ = nullptr;
  std::map<std::string, std::string> network_settings_;
  struct Held {
    std::string plugin;
    std::string endpoint;  // JSON
  };
  std::vector<Held> held_;
  mutable std::mutex mutex_;
  Known known_;
  int event_fd_ = -1;
  std::atomic<bool> keeps_memory_ = false;
};

}  // namespace anyvisor::host
