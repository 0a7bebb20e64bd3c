// SPDX-License-Identifier: MIT
// The plugin-host's main loop: clients, the worker's results, the VMM's end, timers.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "machine.hpp"
#include "plugin_set.hpp"
#include "wire/line_channel.hpp"
#include "worker.hpp"

namespace anyvisor::host {

struct ServerOptions {
  std::string folder;  // of the instance; empty: a private plugin-host
  std::string home;    // for caches; empty: none
  std::vector<std::string> plugins;
};

// {"id","result"} or {"id","error"}.
json::Document make_answer(std::uint64_t id, const Result<json::Document>& result);

class Server {
 public:
  // `listener`: of the instance's host.sock; or `peer`: the one connection of a private plugin-host.
  Server(ServerOptions options, Fd listener, Fd peer);
  // Until there is nothing left to do. The exit code.
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Client {
    std::uint64_t id;
    LineChannel channel;
    bool greeted = false;
    bool gone = false;
  };
  struct Waiting {  // a request that is answered later by the main loop: machine.wait, plugins
    std::uint64_t client, id;
    std::string method;
    std::vector<std::string> states;
    Clock::time_point deadline;
  };
  struct Outgoing {
    std::uint64_t client;
    json::Document message;
  };

  // A job that nobody has asked for.
  void add_own_job(const char* name, Clock::duration limit, std::function<void(CallContext&)> run);
  void load_plugins();
  void accept_clients();
  void add_client(Fd fd);
  void serve(Client& client);
  void hang_up(Client& client, Error error);
  void handle(Client& client, const json::Document& message);
  void request(Client& client, std::uint64_t id, const std::string& method, const json::Value& params,
               Clock::duration limit);
  bool answer_at_once(Client& client, std::uint64_t id, const std::string& method);
  Result<json::Document> execute(const std::string& method, const json::Value& params, CallContext& call);
  json::Document status() const;
  void send(std::uint64_t client, const json::Document& message);
  void answer(std::uint64_t client, std::uint64_t id, const Result<json::Document>& result);
  void post(std::uint64_t client, json::Document message);  // [worker]
  void wake();                                              // [any thread]
  void flush_outgoing();
  int close_plugins();
  void serve_waiting();
  void watch_deadlines();
  bool end_can_be_told() const;
  void tell_end();
  void queue_event();
  void on_vmm_end();
  void rotate_logs(bool now);
  void forget_gone_clients();
  bool finished() const;
  int poll_timeout() const;

  ServerOptions options_;
  Fd listener_, wake_;
  std::unique_ptr<Machine> machine_;
  PluginSet plugins_;
  std::list<Client> clients_;
  std::vector<Waiting> waiting_;
  std::uint64_t last_client_ = 0;
  bool had_client_ = false, retired_ = false, event_queued_ = false;
  bool end_seen_ = false, asked_why_ = false;  // an end that is not told yet; the backend was asked about it
  Clock::time_point started_ = Clock::now(), last_rotation_ = Clock::now();
  std::mutex outgoing_mutex_;
  std::deque<Outgoing> outgoing_;
  bool event_done_ = false;  // guarded by outgoing_mutex_
  Worker worker_;            // last: its thread uses the others
};

}  // namespace anyvisor::host
