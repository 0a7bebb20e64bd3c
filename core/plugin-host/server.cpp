// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "host/protocol.hpp"
#include "log.hpp"
#include "log_rotation.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds send_limit{2000};  // a client that does not read for that long is hung up on
constexpr milliseconds overrun{1000};     // what a plugin may take beyond its deadline before its process ends
constexpr milliseconds load_limit{2500};  // for loading; with `overrun`, a plugin that hangs is reported within 5 s
constexpr milliseconds event_limit{10000};
constexpr seconds first_client_limit{10};  // whoever started us connects at once, or has died
constexpr seconds rotation_period{5};
constexpr milliseconds retire_limit{2000};  // for a running call when the host is asked to retire

json::Document make_hello() {
  auto document = json::make_object();
  json::Value hello(rapidjson::kObjectType);
  json::set(document, hello, "protocol", protocol_version);
  json::set(document, hello, "version", ANYVISOR_VERSION);
  json::set(document, hello, "build", build_of_this);
  json::set(document, hello, "pid", static_cast<int>(getpid()));
  json::set_value(document, document, "hello", std::move(hello));
  return document;
}

}  // namespace

Server::Server(ServerOptions options, Fd listener, Fd peer)
    : options_(std::move(options)),
      listener_(std::move(listener)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      machine_(options_.folder.empty()
                   ? nullptr
                   : std::make_unique<Machine>(options_.folder,
                                               [this](const std::string& id) { return plugins_.find(id); })),
      plugins_(options_.plugins, machine_ ? &machine_->vmm() : nullptr, options_.home),
      worker_([this] { wake(); }) {
  if (peer) add_client(std::move(peer));
  load_plugins();
}

void Server::add_own_job(const char* name, Clock::duration limit, std::function<void(CallContext&)> run) {
  auto call = std::make_shared<CallContext>(Clock::now() + limit, CallContext::ProgressSink{});
  worker_.add({0, 0, name, "", std::move(call), std::move(run), {}});
}

void Server::load_plugins() {
  add_own_job("loading", load_limit, [this](CallContext&) {
    plugins_.load([this](const std::string& path) { worker_.set_subject(path); });
    post(0, json::make_object());
  });
}

int Server::run() {
  std::vector<pollfd> watched;
  while (!finished()) {
    watched.clear();
    watched.push_back({wake_.get(), POLLIN, 0});
    watched.push_back({listener_ ? listener_.get() : -1, POLLIN, 0});
    watched.push_back({end_can_be_told() ? machine_->vmm().pidfd() : -1, POLLIN, 0});
    // The plugin's own descriptor is looked at only while no call runs that could close it.
    bool look = machine_ && !event_queued_ && worker_.idle();
    watched.push_back({look ? machine_->event_fd() : -1, POLLIN, 0});
    for (const auto& client : clients_) watched.push_back({client.channel.fd(), POLLIN, 0});
    if (poll(watched.data(), watched.size(), poll_timeout()) < 0 && errno != EINTR) return exit_watchdog;

    if (watched[0].revents != 0) {
      std::uint64_t count = 0;
      (void)!::read(wake_.get(), &count, sizeof count);
    }
    flush_outgoing();
    if (watched[2].revents != 0) end_seen_ = true;
    if (end_seen_ && end_can_be_told())
      tell_end();
    else if (watched[3].revents != 0 && worker_.idle())
      queue_event();
    std::size_t index = 4;
    for (auto& client : clients_) {
      if (index == watched.size()) break;
      if (watched[index++].revents != 0) serve(client);
    }
    if (watched[1].revents != 0) accept_clients();
    serve_waiting();
    watch_deadlines();
    rotate_logs(false);
    forget_gone_clients();
  }
  if (listener_) {
    DurableStep step("host.socket-remove");
    (void)unlink((options_.folder + "/host.sock").c_str());
  }
  return close_plugins();
}

// About an end that nobody waits for the backend is heard first: it may know why. It is busy while a call runs.
bool Server::end_can_be_told() const {
  if (!machine_ || event_queued_) return false;
  return !end_seen_ || worker_.idle() || machine_->vmm().end_is_awaited();
}

void Server::tell_end() {
  const bool ask = !asked_why_ && worker_.idle() && machine_->event_fd() >= 0 && !machine_->vmm().end_is_awaited();
  asked_why_ = ask;
  if (ask) {
    queue_event();
  } else {
    end_seen_ = false;
    on_vmm_end();
  }
}

void Server::queue_event() {
  event_queued_ = true;
  add_own_job("machine.on_event", event_limit, [this](CallContext& context) {
    (void)machine_->on_event(context);
    std::lock_guard guard(outgoing_mutex_);
    event_done_ = true;
  });
}

// What the plugins have open is closed, machines first; a VMM stays.
int Server::close_plugins() {
  for (const auto& client : clients_) worker_.cancel(client.id, 0);
  const auto until = Clock::now() + retire_limit;
  while (!worker_.idle()) {
    pollfd woken{wake_.get(), POLLIN, 0};
    (void)poll(&woken, 1, 10);
    if (machine_ && machine_->vmm().ended()) on_vmm_end();
    flush_outgoing();
    if (Clock::now() >= until) {
      write_log(ANYVISOR_LOG_WARNING, "the running call does not return: the plugin-host ends without it");
      _exit(exit_watchdog);
    }
  }
  flush_outgoing();
  if (machine_) machine_->detach();
  plugins_.close();
  return 0;
}

int Server::poll_timeout() const {
  bool busy = !worker_.idle() || !waiting_.empty();
  return busy ? 100 : 1000;
}

bool Server::finished() const {
  if (retired_) return true;
  if (!worker_.idle() || !clients_.empty()) return false;
  if (machine_ && (machine_->vmm().alive() || machine_->keeps_memory())) return false;
  return had_client_ || Clock::now() - started_ > first_client_limit;
}

void Server::accept_clients() {
  for (;;) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    auto uid = peer_uid(fd.get());
    if (!uid || (*uid != geteuid() && *uid != 0)) continue;
    add_client(std::move(fd));
  }
}

void Server::add_client(Fd fd) {
  had_client_ = true;
  clients_.push_back({++last_client_, LineChannel(std::move(fd))});
  send(last_client_, make_hello());
}

void Server::serve(Client& client) {
  auto open = client.channel.fill();
  std::string line;
  for (;;) {
    auto got = client.channel.next_line(line);
    if (!got) {
      hang_up(client, got.error());
      return;
    }
    if (!*got) break;
    auto message = json::parse_object(line, "a request");
    if (!message) {
      hang_up(client, message.error());
      return;
    }
    handle(client, *message);
  }
  if (!open || !*open) client.gone = true;
}

void Server::send(std::uint64_t id, const json::Document& message) {
  for (auto& client : clients_) {
    if (client.id != id || client.gone) continue;
    auto sent = client.channel.send(message, Clock::now() + send_limit);
    if (!sent && sent.error().kind == ErrorKind::exhausted)  // nothing of it was sent: it is too long for a line
      sent = client.channel.send(make_answer(json::uint_or(message, "id", 0), tl::unexpected(sent.error())),
                                 Clock::now() + send_limit);
    if (!sent) client.gone = true;
  }
}

void Server::answer(std::uint64_t client, std::uint64_t id, const Result<json::Document>& result) {
  send(client, make_answer(id, result));
}

void Server::post(std::uint64_t client, json::Document message) {
  {
    std::lock_guard guard(outgoing_mutex_);
    outgoing_.push_back({client, std::move(message)});
  }
  wake();
}

void Server::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Server::flush_outgoing() {
  std::deque<Outgoing> ready;
  {
    std::lock_guard guard(outgoing_mutex_);
    ready.swap(outgoing_);
    if (event_done_) event_queued_ = event_done_ = false;
  }
  for (const auto& item : ready)
    if (item.client != 0) send(item.client, item.message);
}

void Server::serve_waiting() {
  const auto known = machine_ ? machine_->known() : Machine::Known{};
  const std::string& state = known.state;
  std::erase_if(waiting_, [&](const Waiting& request) {
    if (request.method == "plugins") {
      if (!plugins_.loaded()) return false;
      answer(request.client, request.id, plugins_.answer());
      return true;
    }
    if (std::ranges::find(request.states, state) != request.states.end()) {
      auto reply = json::make_object();
      json::set(reply, reply, "state", state);
      json::set(reply, reply, "reason", known.reason);
      answer(request.client, request.id, std::move(reply));
      return true;
    }
    if (Clock::now() < request.deadline) return false;
    answer(request.client, request.id, fail(ErrorKind::timeout, "the machine is still " + state));
    return true;
  });
}

// A plugin that does not come back costs this process, and nothing else: the VMM runs on, and the next command adopts
// it.
void Server::watch_deadlines() {
  auto running = worker_.running();
  if (!running || Clock::now() < running->call->deadline() + overrun) return;
  Error error;
  error.kind = ErrorKind::timeout;
  error.message = "plugin \"" + running->subject + "\" did not return from " + running->name;
  error.field = running->name == "loading" ? running->subject : "";
  error.hint = "tell the plugin's author; its process was ended, running machines go on";
  write_log(ANYVISOR_LOG_ERROR, error.message);
  answer(running->client, running->id, tl::unexpected(error));
  for (const auto& request : waiting_) answer(request.client, request.id, tl::unexpected(error));
  _exit(exit_watchdog);
}

void Server::on_vmm_end() {
  std::string reason = machine_->vmm().on_end();
  machine_->set_state("stopped", reason);
  write_log(ANYVISOR_LOG_INFO, reason);
  rotate_logs(true);
  add_own_job("network.release", event_limit, [this](CallContext& context) {
    if (!machine_->vmm().alive()) machine_->release(context);
    post(0, json::make_object());
  });
}

void Server::rotate_logs(bool now) {
  if (!machine_ || (!now && Clock::now() - last_rotation_ < rotation_period)) return;
  last_rotation_ = Clock::now();
  for (const char* name : {"/logs/console.log", "/logs/vmm.log"}) {
    auto rotated = rotate_log(options_.folder + name, log_limit(), !machine_->vmm().alive());
    if (!rotated) write_log(ANYVISOR_LOG_WARNING, rotated.error().message);
  }
}

void Server::forget_gone_clients() {
  for (const auto& client : clients_)
    if (client.gone) {
      worker_.cancel(client.id, 0);
      std::erase_if(waiting_, [&](const Waiting& request) { return request.client == client.id; });
    }
  clients_.remove_if([](const Client& client) { return client.gone; });
}

}  // namespace anyvisor::host
