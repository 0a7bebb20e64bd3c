// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "disk_chain.hpp"
#include "failed_start.hpp"
#include "hardware.hpp"
#include "landlock.hpp"

namespace anyvisor::cloud_hypervisor {
namespace {

// The numbers that the VMM knows its descriptors by.
constexpr int api_number = 3;
constexpr int events_number = 4;
constexpr int folder_number = 5;

constexpr unsigned no_machine = 404;

constexpr const char* powered_off = "the guest powered itself off";

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw sdk::Failure(ANYVISOR_EXHAUSTED, std::string("cannot make a pipe: ") + std::strerror(errno));
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::string in_descriptor(int number) {
  return "fd=" + std::to_string(number);
}

// Waits for the VMM's end: nobody else holds the writing end of its events.
void wait_for_end(const sdk::Context& context, EventStream& events) {
  while (events.fd() >= 0) {
    events.drain();
    if (events.fd() < 0) return;
    context.check();
    std::array<pollfd, 2> polled{pollfd{events.fd(), POLLIN, 0}, pollfd{context.cancel_fd(), POLLIN, 0}};
    constexpr std::int64_t longest_wait_ms = 1000;
    (void)::poll(polled.data(), polled.size(),
                 static_cast<int>(std::min<std::int64_t>(context.remaining().count() + 1, longest_wait_ms)));
  }
}

}  // namespace

CloudHypervisorMachine::CloudHypervisorMachine(sdk::Host host, Settings settings, MachineDocument document)
    : host_(host), settings_(std::move(settings)), document_(std::move(document)) {}

InstanceFolder& CloudHypervisorMachine::folder() {
  if (!folder_) folder_.emplace(document_.folder);
  return *folder_;
}

std::string CloudHypervisorMachine::put(const sdk::Context& context, const char* action, std::string_view body) {
  return ApiCall(folder().connect_at_once(api_socket), Method::put, action, body).finish(context);
}

Binary CloudHypervisorMachine::prepare(const sdk::Context& context) {
  require_files(document_);
  if (document_.boot.method == BootMethod::firmware && settings_.firmware.empty())
    throw sdk::Failure(ANYVISOR_UNSUPPORTED, "there is no firmware for Cloud Hypervisor")
        .field("/boot/firmware")
        .hint("name CLOUDHV.fd or rust-hypervisor-firmware in the plugin's setting firmware, or boot a kernel");
  Binary binary = find_binary(settings_.binary);
  version_ = query_version(host_, context, binary);
  for (const auto& disk : document_.disks) require_chain(disk, version_);
  return binary;
}

ConfigFacts CloudHypervisorMachine::config_facts() const {
  const Abilities can = abilities_of(version_);
  return {can, settings_.sandbox && can.landlock && landlock_version() >= landlock_needed, settings_.firmware,
          "/proc/self/fd/" + std::to_string(folder_number) + "/" + vsock_socket};
}

void CloudHypervisorMachine::start_vmm(const sdk::Context& context, const Binary& binary) {
  events_ = EventStream();
  booted_ = off_ = false;
  folder().remove(booted_marker);
  folder().remove(vsock_socket);  // the VMM takes none that is there
  const Descriptor console = folder().open_console_log();
  Descriptor api = folder().listen(api_socket);
  Pipe events = make_pipe();

  sdk::Process process;
  process.argv = {binary.path,
                  "--api-socket",
                  in_descriptor(api_number),
                  "--event-monitor",
                  in_descriptor(events_number),
                  "--seccomp",
                  settings_.sandbox ? "true" : "false"};
  // A guest that powers off leaves the VMM there, to be asked and booted again.
  if (abilities_of(version_).stays_after_power_off) process.argv.emplace_back("--no-shutdown");
  process.fds = {{api.get(), api_number},
                 {events.write.get(), events_number},
                 {folder().fd(), folder_number},
                 {console.get(), STDOUT_FILENO}};

  // Connected and asked before the VMM runs: its first answer is the only thing to wait for.
  ApiCall ping(folder().connect_at_once(api_socket), Method::get, "vmm.ping");
  ping.send(context);
  const std::uint64_t log_begin = vmm_log_size(folder());
  context.progress("VMM start", 0, 0);
  host_.spawn(context, process);
  context.progress("VMM connection", 0, 0);
  // From here on only the VMM holds its ends, so that its death is seen.
  api.reset();
  events.write.reset();
  events_ = EventStream(std::move(events.read));
  try {
    const json::Document reply = ping.finish_object(context);
    const Version told = parse_version(json::string_or(reply, "version"));
    if (told == Version{})
      throw sdk::Failure(ANYVISOR_BACKEND_FAILED, "Cloud Hypervisor does not say which version it is");
    require_supported(told, binary.path);
    if (abilities_of(told) != abilities_of(version_))
      throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                         binary.path + " says that it is " + to_string(version_) + ", and runs as " + to_string(told));
  } catch (const ConnectionLost&) {
    throw explain_failed_start(vmm_log_since(folder(), log_begin));
  }
}

std::string CloudHypervisorMachine::started_reply(const char* state, const std::vector<Nic>& nics) {
  const json::Document hardware = describe_hardware(document_, nics, version_);
  document_.hardware = json::render(hardware);
  json::Document reply = json::make_object();
  json::set(reply, reply, "state", state);
  json::set_copy(reply, reply, "hardware", hardware);
  json::set(reply, reply, "accelerator_reason", "Cloud Hypervisor knows no other");
  told_ = state;
  return json::render(reply);
}

std::string CloudHypervisorMachine::create(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const std::vector<Nic> nics = parse_endpoints(request);
  const Binary binary = prepare(context);
  start_vmm(context, binary);
  put(context, "vm.create", json::render(make_vm_config(document_, nics, config_facts())));
  return started_reply("created", nics);
}

std::string CloudHypervisorMachine::adopt(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const auto* process = json::object_or_null(request, "process");
  const auto pid = process ? json::int_or(*process, "pid", -1) : -1;
  // Opened anew, for reading: the end that the VMM writes to leads to the same pipe.
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(events_number);
  events_ = EventStream(Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)));
  events_.drain();
  booted_ = folder().has(booted_marker);
  const json::Document reply =
      ApiCall(folder().connect_at_once(api_socket), Method::get, "vmm.ping").finish_object(context);
  version_ = parse_version(json::string_or(reply, "version"));
  return tell(query(context));
}

CloudHypervisorMachine::Observed CloudHypervisorMachine::query(const sdk::Context& context) {
  std::string state;
  try {
    const json::Document info =
        ApiCall(folder().connect_at_once(api_socket), Method::get, "vm.info").finish_object(context);
    state = json::string_or(info, "state");
  } catch (const Refused& refused) {
    // No machine in it: a create or a restore that did not come to its end. Before v53 only the text tells.
    const std::string_view said = refused.what();
    const bool none = refused.http_status() == no_machine || said.find("not created") != std::string_view::npos ||
                      said.find("VmNotCreated") != std::string_view::npos;
    if (!none) throw;
    return {"created", refused.what()};
  }
  if (state == "Running") {
    note_booted();
    return {"running", {}};
  }
  if (state == "Paused") {
    note_booted();
    return {"paused", {}};
  }
  if (state == "BreakPoint") return {"paused", "stopped by a debugger"};
  if (state == "Shutdown" || (state == "Created" && booted_)) return {"shutdown", powered_off};
  if (state == "Created") return {"created", {}};
  return {"unknown", "Cloud Hypervisor reports a state that is not known here: " + state};
}

void CloudHypervisorMachine::note_booted() {
  if (booted_) return;
  folder().make_marker(booted_marker);
  booted_ = true;
}

std::string CloudHypervisorMachine::tell(Observed observed) {
  json::Document reply = json::make_object();
  json::set(reply, reply, "state", observed.state);
  if (!observed.reason.empty()) json::set(reply, reply, "reason", observed.reason);
  told_ = std::move(observed.state);
  return json::render(reply);
}

std::string CloudHypervisorMachine::boot(const sdk::Context& context, std::string_view) {
  put(context, "vm.boot");
  note_booted();
  return tell({"running", {}});
}

std::string CloudHypervisorMachine::pause(const sdk::Context& context, std::string_view) {
  try {
    put(context, "vm.pause");
  } catch (const Refused&) {
    // A guest that powered itself off a moment ago is off, and not paused.
    Observed now = query(context);
    if (now.state != "paused" && now.state != "shutdown") throw;
    return tell(std::move(now));
  }
  return tell({"paused", {}});
}

std::string CloudHypervisorMachine::resume(const sdk::Context& context, std::string_view) {
  put(context, "vm.resume");
  return tell({"running", {}});
}

std::string CloudHypervisorMachine::shutdown(const sdk::Context& context, std::string_view request_text) {
  const json::Document request = parse_object(request_text, "the request");
  const std::string method = json::string_or(request, "method", "acpi");
  if (method == "agent") throw sdk::unsupported("Cloud Hypervisor has no channel for a guest agent").hint("use acpi");
  if (method != "acpi")
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "no such way to shut a guest down: " + method)
        .field("/method")
        .hint("use acpi");
  Observed now = query(context);
  if (now.state == "shutdown") return tell(std::move(now));
  if (now.state == "created")
    throw sdk::Failure(ANYVISOR_INVALID_STATE, "the guest has not been booted: nothing in it can shut down")
        .hint("end the machine: stop --force");
  put(context, "vm.power-button");
  // A guest that stands still cannot answer the power button.
  if (now.state == "paused") put(context, "vm.resume");
  return tell({"running", {}});
}

std::string CloudHypervisorMachine::terminate(const sdk::Context& context, std::string_view) {
  try {
    put(context, "vmm.shutdown");
  } catch (const ConnectionLost&) {
    // It was quicker to end than to answer.
  }
  wait_for_end(context, events_);
  events_ = EventStream();
  folder().remove(api_socket);
  folder().remove(vsock_socket);
  folder().remove(booted_marker);
  booted_ = false;
  return tell({"stopped", {}});
}

std::string CloudHypervisorMachine::state(const sdk::Context& context, std::string_view) {
  try {
    return tell(query(context));
  } catch (const sdk::Failure& failure) {
    // Nobody there, or nobody who answers: that is a state too.
    if (failure.status() != ANYVISOR_UNAVAILABLE && failure.status() != ANYVISOR_TIMEOUT) throw;
    return tell({"unknown", failure.what()});
  }
}

std::string CloudHypervisorMachine::guest_endpoints(const sdk::Context&, std::string_view) {
  json::Document reply = json::make_object();
  json::set_value(reply, reply, "addresses", json::Value(rapidjson::kArrayType));
  if (document_.vsock.cid != 0) {
    json::Value vsock(rapidjson::kObjectType);
    json::set(reply, vsock, "cid", std::uint64_t{document_.vsock.cid});
    json::set(reply, vsock, "socket", document_.folder + "/" + vsock_socket);
    json::set_value(reply, reply, "vsock", std::move(vsock));
  }
  return json::render(reply);
}

std::string CloudHypervisorMachine::on_event(const sdk::Context& context, std::string_view) {
  // All other changes are answers to what was asked for.
  bool news = false;
  for (const auto& event : events_.drain()) {
    if (event.source != "vm" || (event.name != "shutdown" && event.name != "booted")) continue;
    const bool off = event.name == "shutdown";  // a guest that boots anew has been off for a moment, too
    news = news || off || off_;
    off_ = off;
  }
  // Before v52 that is the VMM's end; whether it still answers is a matter of luck.
  if (off_ && !abilities_of(version_).stays_after_power_off) {
    json::Document reply = json::make_object();
    json::set(reply, reply, "state", "stopped");
    json::set(reply, reply, "reason", powered_off);
    return json::render(reply);
  }
  if (!news) return "{}";
  try {
    Observed now = query(context);
    if (now.state == told_) return "{}";
    return tell(std::move(now));
  } catch (const sdk::Failure&) {
    return "{}";  // it is ending, which the host sees by itself
  }
}

}  // namespace anyvisor::cloud_hypervisor
