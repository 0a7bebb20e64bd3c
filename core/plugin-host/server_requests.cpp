// SPDX-License-Identifier: MIT
// What clients say: what is answered at once, and what the worker is asked to do.
#include <algorithm>

#include "log.hpp"
#include "seed.hpp"
#include "server.hpp"

namespace anyvisor::host {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds default_limit{30000};           // of a request that names none
constexpr milliseconds longest_limit{7LL * 86400000};  // more than any call takes, and no overflow

}  // namespace

json::Document make_answer(std::uint64_t id, const Result<json::Document>& result) {
  auto message = json::make_object();
  json::set(message, message, "id", id);
  if (result)
    json::set_copy(message, message, "result", *result);
  else
    json::set_copy(message, message, "error", json::from_error(result.error()));
  return message;
}

// What came is no message: nothing that follows can be trusted either.
void Server::hang_up(Client& client, Error error) {
  write_log(ANYVISOR_LOG_WARNING, "a client is hung up on: " + error.message);
  error.kind = ErrorKind::corrupted;
  answer(client.id, 0, tl::unexpected(std::move(error)));
  client.gone = true;
}

void Server::handle(Client& client, const json::Document& message) {
  if (json::object_or_null(message, "hello")) {
    client.greeted = true;
    return;
  }
  if (json::find(message, "cancel")) {
    const std::uint64_t cancelled = json::uint_or(message, "cancel", 0);
    worker_.cancel(client.id, cancelled);
    std::erase_if(waiting_, [&](const Waiting& request) {
      if (request.client != client.id || request.id != cancelled) return false;
      answer(request.client, request.id, fail(ErrorKind::cancelled, "cancelled"));
      return true;
    });
    return;
  }
  std::uint64_t id = json::uint_or(message, "id", 0);
  std::string method = json::string_or(message, "method");
  if (!client.greeted && method != "retire")
    return answer(client.id, id, fail(ErrorKind::invalid_argument, "say hello first"));
  if (id == 0) return answer(client.id, id, fail(ErrorKind::invalid_argument, "a request needs an id from 1 on"));
  auto limit = milliseconds(
      std::clamp<std::int64_t>(json::int_or(message, "deadline_ms", default_limit.count()), 0, longest_limit.count()));
  const auto* params = json::object_or_null(message, "params");
  const auto none = json::make_object();
  request(client, id, method, params ? *params : none, limit);
}

bool Server::answer_at_once(Client& client, std::uint64_t id, const std::string& method) {
  if (method == "status") {
    answer(client.id, id, status());
  } else if (method == "retire") {
    answer(client.id, id, json::make_object());
    retired_ = true;
  } else if (method == "logs.rotate") {
    rotate_logs(true);
    answer(client.id, id, json::make_object());
  } else {
    return false;
  }
  return true;
}

void Server::request(Client& client, std::uint64_t id, const std::string& method, const json::Value& params,
                     Clock::duration limit) {
  if (answer_at_once(client, id, method)) return;
  if (method == "plugins" || method == "machine.wait") {
    waiting_.push_back({client.id, id, method, json::strings_or_empty(params, "states"), Clock::now() + limit});
    return;
  }
  auto progress = [this, client_id = client.id, id](const std::string& phase, std::uint64_t done, std::uint64_t total) {
    auto message = json::make_object();
    json::set(message, message, "id", id);
    json::Value body(rapidjson::kObjectType);
    json::set(message, body, "phase", phase);
    json::set(message, body, "done", done);
    json::set(message, body, "total", total);
    json::set_value(message, message, "progress", std::move(body));
    post(client_id, std::move(message));
  };
  auto copy = std::make_shared<json::Document>();
  copy->CopyFrom(params, copy->GetAllocator());
  auto answer_to_send = std::make_shared<json::Document>();
  std::string subject = json::string_or(params, "plugin", json::string_or(params, "backend"));
  if (subject.empty() && machine_) subject = machine_->known().backend;
  auto call = std::make_shared<CallContext>(Clock::now() + limit, std::move(progress));
  worker_.add({client.id, id, method, subject, call,
               [this, id, method, copy, answer_to_send](CallContext& context) {
                 *answer_to_send = make_answer(id, execute(method, *copy, context));
               },
               [this, client_id = client.id, answer_to_send] { post(client_id, std::move(*answer_to_send)); }});
}

// [worker]
Result<json::Document> Server::execute(const std::string& method, const json::Value& params, CallContext& call) {
  if (Clock::now() >= call.deadline())
    return fail(ErrorKind::timeout, method + " was not begun within its time limit: calls before it took too long");
  if (call.is_cancelled()) return fail(ErrorKind::cancelled, "cancelled");
  const auto* given = json::object_or_null(params, "request");
  auto none = json::make_object();
  const json::Value& request = given ? *given : none;
  const auto* settings_value = json::object_or_null(params, "settings");
  std::string settings = settings_value ? json::render(*settings_value) : "{}";
  auto dot = method.find('.');
  std::string family = method.substr(0, dot), verb = dot == std::string::npos ? "" : method.substr(dot + 1);

  if (family == "machine" || (method == "network.acquire" && machine_)) {
    if (!machine_) return fail(ErrorKind::unsupported, "this plugin-host has no instance");
    if (method == "machine.attach") return machine_->attach(params, call);
    if (method == "machine.create") return machine_->create(params, call);
    if (method == "machine.restore") return machine_->restore(params, call);
    if (method == "machine.terminate") return machine_->terminate(params, call);
    if (method == "network.acquire") return machine_->acquire(params, call);
    return machine_->hop(verb, params, call);
  }
  if (method == "seed.write") {
    if (!machine_) return fail(ErrorKind::unsupported, "this plugin-host has no instance");
    return write_seed(options_.folder, params);
  }
  if (family != "backend" && family != "image_store" && family != "network")
    return fail(ErrorKind::unsupported, "no such method: " + method);
  ANYVISOR_TRY(OpenPlugin * plugin, plugins_.find(json::string_or(params, "plugin")));
  if (method == "backend.capabilities") {
    ANYVISOR_TRY(anyvisor_backend * backend, plugin->backend(settings, call));
    return plugin->call(plugin->loaded().backend->capabilities, backend, method, request, call, {},
                        "capability-report");
  }
  if (method == "network.capabilities") {
    ANYVISOR_TRY(anyvisor_network * network, plugin->network(settings, call));
    return plugin->call(plugin->loaded().network->capabilities, network, method, request, call, {},
                        "capability-report");
  }
  if (family == "image_store") {
    ANYVISOR_TRY(anyvisor_image_store * store, plugin->image_store(settings, call));
    const auto& table = *plugin->loaded().image_store;
    if (verb == "resolve") return plugin->call(table.resolve, store, method, request, call);
    if (verb == "list") return plugin->call(table.list, store, method, request, call);
    if (verb == "capabilities")
      return plugin->call(table.capabilities, store, method, request, call, {}, "capability-report");
    if (verb == "fetch")
      return plugin->call(table.fetch, store, method, request, call, "image-request", "image-manifest");
  }
  return fail(ErrorKind::unsupported, "no such method: " + method);
}

json::Document Server::status() const {
  auto document = json::make_object();
  auto known = machine_ ? machine_->known() : Machine::Known{};
  json::set(document, document, "state", known.state);
  json::set(document, document, "reason", known.reason);
  json::set(document, document, "since", known.since);
  json::set(document, document, "attached", known.attached);
  auto running = worker_.running();
  if (running)
    json::set(document, document, "busy", running->name);
  else
    json::set_null(document, document, "busy");
  auto record = machine_ ? machine_->vmm().record() : std::nullopt;
  auto process = record ? json::parse_object(render_process_record(*record), "the process record")
                        : Result<json::Document>(tl::unexpected(Error{}));
  if (process)
    json::set_copy(document, document, "process", *process);
  else
    json::set_null(document, document, "process");
  return document;
}

}  // namespace anyvisor::host
