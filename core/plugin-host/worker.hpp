// SPDX-License-Identifier: MIT
// The one thread on which plugins are loaded and called, one job at a time.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "call_context.hpp"

namespace anyvisor::host {

class Worker {
 public:
  struct Job {
    std::uint64_t client = 0, id = 0;  // whose request it is; 0: the host's own
    std::string name;                  // method, for messages
    std::string subject;               // the plugin, for messages
    std::shared_ptr<CallContext> call;
    std::function<void(CallContext&)> run;
    std::function<void()> done;  // or empty: what is to be said once the worker is free again
  };

  // `on_end` is called after each job, on the worker's thread.
  explicit Worker(std::function<void()> on_end);
  ~Worker();  // waits for the running job

  void add(Job job);  // [any thread]
  // The running job, without its function; null: none. [any thread]
  std::shared_ptr<const Job> running() const;
  // Nothing runs and nothing waits. [any thread]
  bool idle() const;
  // Cancels the request, running or waiting; id 0: all of that client's. [any thread]
  void cancel(std::uint64_t client, std::uint64_t id);
  // Says what the running job works on now. [worker]
  void set_subject(const std::string& subject);

 private:
  void loop();
  std::function<void()> on_end_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::shared_ptr<Job> running_;
  bool end_ = false, finishing_ = false;
  std::thread thread_;
};

}  // namespace anyvisor::host
