// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <algorithm>
#include <array>

#include "document/schema.hpp"
#include "log.hpp"
#include "storage/durable_step.hpp"

namespace anyvisor::host {
namespace {

using std::chrono::milliseconds;

// Between asking a VMM to end and SIGKILL, when the client does not say.
constexpr std::int64_t default_grace_ms = 3000;
// A process that got SIGKILL and does not end waits for the kernel.
constexpr milliseconds kill_patience{10000};

struct Hop {
  std::string_view name;
  anyvisor_machine_call anyvisor_backend_draft1::*function;
  const char* step;               // the DurableStep around it: a plugin may change files in a hop
  std::string_view reply_schema;  // empty: the reply is free
};
constexpr std::array hops = {
    Hop{"boot", &anyvisor_backend_draft1::boot, "machine.boot", "state-reply"},
    Hop{"pause", &anyvisor_backend_draft1::pause, "machine.pause", "state-reply"},
    Hop{"resume", &anyvisor_backend_draft1::resume, "machine.resume", "state-reply"},
    Hop{"shutdown", &anyvisor_backend_draft1::shutdown, "machine.shutdown", "state-reply"},
    Hop{"state", &anyvisor_backend_draft1::state, "machine.state", "state-reply"},
    Hop{"save", &anyvisor_backend_draft1::save, "machine.save", "save-reply"},
    Hop{"fork", &anyvisor_backend_draft1::fork, "machine.fork", "state-reply"},
    Hop{"snapshot_disk", &anyvisor_backend_draft1::snapshot_disk, "machine.snapshot_disk", ""},
    Hop{"attach_device", &anyvisor_backend_draft1::attach_device, "machine.attach_device", ""},
    Hop{"detach_device", &anyvisor_backend_draft1::detach_device, "machine.detach_device", ""},
    Hop{"resize", &anyvisor_backend_draft1::resize, "machine.resize", ""},
    Hop{"guest_endpoints", &anyvisor_backend_draft1::guest_endpoints, "machine.guest_endpoints", ""},
    Hop{"destroy", &anyvisor_backend_draft1::destroy, "machine.destroy", ""},
};

std::string render_array(const json::Value* array) {
  return array ? json::render(*array) : std::string("[]");
}

}  // namespace

Machine::Machine(std::string folder, FindPlugin find_plugin)
    : folder_(std::move(folder)), find_plugin_(std::move(find_plugin)), vmm_(folder_) {}

Machine::~Machine() = default;

void Machine::detach() {
  if (auto* handle = std::exchange(handle_, nullptr)) backend_->loaded().backend->detach(handle);
  std::lock_guard guard(mutex_);
  known_.attached = false;
  event_fd_ = -1;
}

Machine::Known Machine::known() const {
  std::lock_guard guard(mutex_);
  return known_;
}

int Machine::event_fd() const {
  std::lock_guard guard(mutex_);
  return event_fd_;
}

void Machine::set_state(const std::string& state, const std::string& reason) {
  std::lock_guard guard(mutex_);
  if (known_.state != state) known_.since = now_utc();
  known_.state = state;
  known_.reason = reason;
}

void Machine::refresh_event_fd() {
  auto ask = backend_->loaded().backend->event_fd;
  int fd = ask && handle_ && vmm_.alive() ? ask(handle_) : -1;
  std::lock_guard guard(mutex_);
  event_fd_ = fd;
}

json::Document Machine::state_reply() const {
  Known now = known();
  auto reply = json::make_object();
  json::set(reply, reply, "state", now.state);
  json::set(reply, reply, "reason", now.reason);
  return reply;
}

Result<json::Document> Machine::attach(const json::Value& params, CallContext& call) {
  // With a VMM a second attach changes nothing. Without one it brings the document up to date.
  if (attached() && vmm_.alive() && known().state != "unknown") return state_reply();
  detach();
  ANYVISOR_TRY(OpenPlugin * plugin, find_plugin_(json::string_or(params, "backend")));
  const auto* settings = json::object_or_null(params, "settings");
  ANYVISOR_TRY(anyvisor_backend * backend, plugin->backend(settings ? json::render(*settings) : "{}", call));
  if (const auto* networks = json::object_or_null(params, "networks"))
    for (const auto& member : networks->GetObject()) {
      std::string id = member.name.GetString();
      network_settings_[id] = json::render(member.value);
      ANYVISOR_TRY(OpenPlugin * network, find_plugin_(id));
      ANYVISOR_CHECK(network->network(network_settings_[id], call));
    }
  const auto* machine = json::object_or_null(params, "machine");
  if (!machine) return fail(ErrorKind::invalid_argument, "machine.attach needs a machine document", "", "/machine");
  if (auto checked = json::check_schema(*machine, "machine"); !checked) {
    Error error = std::move(checked).error();
    error.field = "/machine" + error.field;
    return in_context("the machine document", std::move(error));
  }
  std::string document = json::render(*machine);
  anyvisor_machine* handle = nullptr;
  auto status = plugin->loaded().backend->attach(backend, call.abi(), document.c_str(), &handle);
  ANYVISOR_CHECK(call.outcome(status, "plugin \"" + plugin->loaded().id + "\", attach"));
  if (!handle)
    return fail(ErrorKind::internal, "plugin \"" + plugin->loaded().id + "\", attach returned success and no machine");
  backend_ = plugin;
  handle_ = handle;
  if (vmm_.alive() || vmm_.adopt()) {
    // A VMM that cannot be reached is still ours: it is Unknown, and can be ended.
    if (auto adopted = adopt(call); !adopted) set_state("unknown", adopted.error().message);
  } else {
    auto record = vmm_.record();
    set_state("stopped", record && record->exit ? record->exit->reason : "");
  }
  {
    std::lock_guard guard(mutex_);
    known_.attached = true;
    known_.backend = plugin->loaded().id;
  }
  refresh_event_fd();
  return state_reply();
}

Result<void> Machine::adopt(CallContext& call) {
  auto record = vmm_.record();
  auto request = json::make_object();
  json::Value process(rapidjson::kObjectType);
  json::set(request, process, "pid", record->process.pid);
  json::set_value(request, request, "process", std::move(process));
  rapidjson::Document endpoints;
  endpoints.Parse(record->endpoints.data(), record->endpoints.size());
  if (!endpoints.HasParseError() && endpoints.IsArray())
    for (const auto& endpoint : endpoints.GetArray()) {
      std::string id = json::string_or(endpoint, "plugin");
      auto plugin = find_plugin_(id);
      if (!plugin) continue;
      held_.push_back({id, json::render(endpoint)});
      auto network = (*plugin)->network(network_settings_[id], call);
      if (!network) continue;
      auto held = json::make_object();
      json::set_copy(held, held, "endpoint", endpoint);
      (void)(*plugin)->call((*plugin)->loaded().network->adopt, *network, "adopt", held, call);
    }
  ANYVISOR_CHECK(hop_call("adopt", backend_->loaded().backend->adopt, request, call, "state-reply"));
  write_log(ANYVISOR_LOG_INFO, "adopted the VMM, pid " + std::to_string(record->process.pid));
  return {};
}

Result<json::Document> Machine::hop_call(const std::string& name, anyvisor_machine_call function,
                                         const json::Value& params, CallContext& call, std::string_view reply_schema) {
  if (!handle_) return fail(ErrorKind::invalid_state, "no machine is attached");
  auto reply = backend_->call(function, handle_, "machine." + name, params, call, {}, reply_schema);
  refresh_event_fd();
  // {} from on_event means that nothing is new; whatever has a state has to have a right one.
  if (reply && reply_schema.empty() && json::find(*reply, "state"))
    if (auto checked = json::check_schema(*reply, "state-reply"); !checked)
      reply = in_context("plugin \"" + backend_->loaded().id + "\", machine." + name, std::move(checked).error());
  // A VMM that has ended meanwhile is Stopped, whatever it said last.
  std::string state = reply ? json::string_or(*reply, "state") : std::string();
  // What is told beside it only explains the end, which is seen by the process alone.
  if (name == "on_event" && !state.empty())
    vmm_.explain_end(state == "stopped" ? json::string_or(*reply, "reason") : std::string());
  if (name == "on_event" && state == "stopped") return reply;
  if (!state.empty() && (vmm_.alive() || state == "stopped")) set_state(state, json::string_or(*reply, "reason"));
  return reply;
}

Result<json::Document> Machine::acquire(const json::Value& params, CallContext& call) {
  std::string id = json::string_or(params, "plugin");
  ANYVISOR_TRY(OpenPlugin * plugin, find_plugin_(id));
  ANYVISOR_TRY(anyvisor_network * network,
               plugin->network(network_settings_.contains(id) ? network_settings_[id] : "{}", call));
  const auto* request = json::object_or_null(params, "request");
  if (!request) return fail(ErrorKind::invalid_argument, "network.acquire needs a request", "", "/request");
  ANYVISOR_TRY(auto endpoint, plugin->call(plugin->loaded().network->acquire, network, "acquire", *request, call,
                                           "endpoint-request", "endpoint"));
  held_.push_back({id, json::render(endpoint)});
  return endpoint;
}

void Machine::release(CallContext& call) {
  for (const auto& held : std::exchange(held_, {})) {
    auto plugin = find_plugin_(held.plugin);
    auto endpoint = json::parse_object(held.endpoint, "an endpoint");
    if (!plugin || !endpoint) continue;
    auto network = (*plugin)->network(network_settings_[held.plugin], call);
    if (!network) continue;
    auto request = json::make_object();
    json::set_copy(request, request, "endpoint", *endpoint);
    auto released = (*plugin)->call((*plugin)->loaded().network->release, *network, "release", request, call);
    if (!released) write_log(ANYVISOR_LOG_WARNING, released.error().message);
  }
  if (backend_) refresh_event_fd();
}

Result<json::Document> Machine::create(const json::Value& params, CallContext& call) {
  DurableStep step("machine.create");
  keeps_memory_ = false;
  return start_vmm("create", &anyvisor_backend_draft1::create, params, call);
}

Result<json::Document> Machine::restore(const json::Value& params, CallContext& call) {
  DurableStep step("machine.restore");
  return start_vmm("restore", &anyvisor_backend_draft1::restore, params, call);
}

Result<json::Document> Machine::start_vmm(const std::string& name,
                                          anyvisor_machine_call anyvisor_backend_draft1::*function,
                                          const json::Value& params, CallContext& call) {
  if (!handle_) return fail(ErrorKind::invalid_state, "no machine is attached");
  if (vmm_.alive() && vmm_.ended()) vmm_.wait_ended(kill_patience);  // that is told first
  // A VMM that is there already is not this call's: however the plugin answers, it lives on.
  if (vmm_.alive()) return hop_call(name, backend_->loaded().backend.value().*function, params, call, "state-reply");
  vmm_.describe(backend_->loaded().id, render_array(json::array_or_null(params, "endpoints")));
  auto reply = hop_call(name, backend_->loaded().backend.value().*function, params, call, "state-reply");
  if (reply && (!vmm_.alive() || vmm_.ended()))
    reply = fail(ErrorKind::backend_failed, "the VMM ended as soon as it had started");
  if (!reply) {
    Error error = std::move(reply).error();
    if (vmm_.alive()) {
      vmm_.kill();
      vmm_.wait_ended(kill_patience);
    }
    std::string tail = vmm_.log_tail();
    if (!tail.empty() && error.message.find(tail) == std::string::npos)
      error.message += " (the VMM said: " + tail + ")";
    release(call);
    set_state("stopped", error.message);
    return tl::unexpected(std::move(error));
  }
  if (const auto* hardware = json::object_or_null(*reply, "hardware")) {
    auto recorded = vmm_.set_hardware(json::render(*hardware));
    if (!recorded) write_log(ANYVISOR_LOG_WARNING, recorded.error().message);
  }
  return reply;
}

Result<json::Document> Machine::terminate(const json::Value& params, CallContext& call) {
  if (!handle_) return fail(ErrorKind::invalid_state, "no machine is attached");
  DurableStep step("machine.terminate");
  auto grace = milliseconds(json::int_or(params, "grace_ms", default_grace_ms));
  bool force = json::bool_or(params, "force", false);
  vmm_.expect_end(force ? "killed as asked" : "ended as asked");
  if (!force && vmm_.alive()) {
    CallContext asked(std::min(call.deadline(), CallContext::Clock::now() + grace), {});
    auto request = json::make_object();
    auto reply = hop_call("terminate", backend_->loaded().backend->terminate, request, asked, "state-reply");
    if (!reply)
      write_log(ANYVISOR_LOG_WARNING, "the VMM is killed, as it did not end when asked: " + reply.error().message);
    force = !reply || !vmm_.wait_ended(grace);
  }
  if (force && vmm_.alive()) {
    vmm_.kill();
    if (!vmm_.wait_ended(kill_patience))
      return fail(ErrorKind::timeout, "the VMM does not end, though it was killed",
                  "it may wait for a disk that does not answer");
  }
  release(call);
  set_state("stopped", "");
  auto reply = state_reply();
  json::set_null(reply, reply, "exit");
  if (auto record = vmm_.record(); record && record->exit) {
    json::Value exit(rapidjson::kObjectType);
    json::set(reply, exit, "time", record->exit->time);
    json::set(reply, exit, "code", record->exit->code);
    json::set(reply, exit, "signal", record->exit->signal);
    json::set(reply, exit, "reason", record->exit->reason);
    json::set_value(reply, reply, "exit", std::move(exit));
  }
  return reply;
}

Result<json::Document> Machine::hop(const std::string& name, const json::Value& params, CallContext& call) {
  auto found = std::ranges::find(hops, name, &Hop::name);
  if (found == hops.end()) return fail(ErrorKind::unsupported, "no such method: machine." + name);
  if (!handle_) return fail(ErrorKind::invalid_state, "no machine is attached");
  DurableStep step(found->step);
  if (const auto* device = json::object_or_null(params, "device"))
    ANYVISOR_CHECK(json::check_schema(*device, "device"));
  auto reply = hop_call(name, backend_->loaded().backend.value().*(found->function), params, call, found->reply_schema);
  if (!reply) return reply;
  if (name == "save") keeps_memory_ = !json::bool_or(params, "durable", true);
  if (name == "resume" || name == "boot") keeps_memory_ = false;
  return reply;
}

Result<json::Document> Machine::on_event(CallContext& call) {
  return hop_call("on_event", backend_->loaded().backend->on_event, json::make_object(), call, "");
}

}  // namespace anyvisor::host
