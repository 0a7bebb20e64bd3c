// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <poll.h>
#include <unistd.h>

#include "accelerator.hpp"
#include "disk_nodes.hpp"
#include "failed_start.hpp"
#include "file_system_freeze.hpp"
#include "firmware.hpp"
#include "guest_agent.hpp"
#include "guest_clock.hpp"
#include "guest_memory.hpp"
#include "hardware.hpp"
#include "host_vsock.hpp"
#include "kept_memory.hpp"
#include "live_snapshot.hpp"
#include "version.hpp"

namespace anyvisor::qemu {
namespace {

constexpr const char* later = "memory cannot be forked yet: this comes in a later version of the QEMU backend";

// "pc-q35-7.2-machine", the class behind the alias q35, is the type pc-q35-7.2.
std::string versioned_type(const json::Value& qom_type) {
  std::string type = qom_type.IsString() ? qom_type.GetString() : "";
  const std::string suffix = "-machine";
  if (type.ends_with(suffix)) type.resize(type.size() - suffix.size());
  return type;
}

}  // namespace

QemuMachine::QemuMachine(sdk::Host host, Settings settings, MachineDocument document)
    : host_(host), settings_(std::move(settings)), document_(std::move(document)) {}

QemuMachine::~QemuMachine() = default;

InstanceFolder& QemuMachine::folder() {
  if (!folder_) folder_.emplace(document_.folder);
  return *folder_;
}

LaunchFacts QemuMachine::gather_facts(const sdk::Context& context, std::string& accelerator_reason) {
  const Binary binary = find_binary(settings_.binary);
  Accelerator accelerator = choose_accelerator(host_, context, settings_, binary);
  accelerator_reason = accelerator.reason;
  LaunchFacts facts;
  facts.binary = binary.path;
  // A machine keeps the hardware that it was made with, whatever QEMU's default has become.
  facts.machine_type =
      document_.hardware_machine_type.empty() ? settings_.machine_type : document_.hardware_machine_type;
  facts.accelerator = accelerator.name;
  facts.cpu_model = accelerator.cpu_model;
  facts.sandbox = settings_.sandbox;
  if (document_.boot.method == BootMethod::uefi) {
    std::string variables =
        document_.boot.variables.empty() ? document_.folder + "/nvram.fd" : document_.boot.variables;
    Firmware firmware = prepare_firmware(settings_, variables);
    facts.firmware_code = firmware.code;
    facts.firmware_variables = firmware.variables;
  }
  return facts;
}

std::string QemuMachine::create(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  const std::vector<Endpoint> endpoints = parse_endpoints(request);
  require_files(document_);
  std::string accelerator_reason;
  LaunchFacts facts = gather_facts(context, accelerator_reason);
  const bool without = document_.vsock.optional && !why_no_vsock().empty();
  const Descriptor vsock = document_.vsock.cid == 0 || without ? Descriptor() : open_vsock();
  facts.descriptors.vsock = vsock.get();
  memory_ = document_.memory_in_file ? make_memory_file(folder(), document_.memory) : make_memfd(document_.memory);
  forget_kept_memory();
  Started started = start_vmm(context, endpoints, std::move(facts));
  json::Document reply = json::make_object();
  json::set(reply, reply, "state", started.state);
  json::set_copy(reply, reply, "hardware", started.hardware);
  json::set(reply, reply, "accelerator_reason", accelerator_reason);
  return json::render(reply);
}

QemuMachine::Started QemuMachine::start_vmm(const sdk::Context& context, const std::vector<Endpoint>& endpoints,
                                            LaunchFacts facts) {
  session_.reset();
  forget_freeze(folder());
  folder().make_logs_folder();
  Descriptor qmp = folder().listen(qmp_socket);
  Descriptor console = folder().listen(console_socket);
  Descriptor agent = folder().listen(agent_socket);
  facts.descriptors = {folder().fd(), qmp.get(), console.get(), agent.get(), memory_.get(), facts.descriptors.vsock};
  CommandLine line = build_command_line(document_, endpoints, facts);

  // Connected and asked before QEMU runs: its first answer is the only thing to wait for.
  auto session = std::make_unique<VmmSession>(folder().connect(qmp_socket));
  QmpClient& client = session->client();
  const auto type = client.send("qom-get", R"({"path":"/machine","property":"type"})");
  const auto status = client.send("query-status");
  client.flush(context);
  const std::uint64_t log_begin = vmm_log_size(folder());
  context.progress("VMM start", 0, 0);
  vmm_pid_ = host_.spawn(context, sdk::Process{std::move(line.argv), {}, std::move(line.descriptors), {}}).pid;
  context.progress("VMM connection", 0, 0);
  // From here on only QEMU holds the listening ends, so that its death is seen as the end of the connection.
  qmp.reset();
  console.reset();
  agent.reset();

  json::Document machine_type;
  Observed observed;
  try {
    machine_type = client.wait(context, type);
    observed = session->query_reply(context, status);
  } catch (const ConnectionLost&) {
    throw explain_failed_start(vmm_log_since(folder(), log_begin));
  }
  session->follow_events();
  session->rearm();
  session_ = std::move(session);

  const HardwareFacts hardware_facts{versioned_type(machine_type), facts.accelerator, facts.cpu_model,
                                     session_->client().version(), facts.descriptors.vsock >= 0};
  document_.hardware_machine_type = hardware_facts.machine_type;
  Started started{describe_hardware(document_, endpoints, hardware_facts), observed.state};
  document_.hardware = json::render(started.hardware);
  return started;
}

VmmSession& QemuMachine::session(const sdk::Context&) {
  if (!session_) session_ = std::make_unique<VmmSession>(folder().connect(qmp_socket));
  return *session_;
}

std::string QemuMachine::adopt(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  if (const auto* process = json::object_or_null(request, "process"))
    vmm_pid_ = static_cast<int>(json::int_or(*process, "pid", -1));

  // QEMU serves one QMP client at a time. The connection of a plugin-host that has just died is gone as soon as QEMU's
  // main loop looks at it; until then this one waits in the queue, and its first answer comes late.
  session_.reset();
  std::string reply = converse(context, [&](VmmSession& vmm) { return render(vmm.query(context)); });
  if (const std::string told = thaw_what_was_left(folder()); !told.empty()) host_.log(ANYVISOR_LOG_WARNING, told);
  return reply;
}

std::string QemuMachine::boot(const sdk::Context& context, std::string_view) {
  return converse(context, [&](VmmSession& vmm) {
    vmm.follow_events();
    if (vmm.known().state == "unknown") vmm.query(context);
    if (vmm.known().state == "shutdown") {
      // The reset is done by QEMU's main loop after its reply; only then may the guest run.
      const auto reset = vmm.client().send("system_reset");
      vmm.client().wait(context, reset);
      vmm.client().wait_event(context, "RESET");
    }
    vmm.client().execute(context, "cont");
    return render({"running", {}});
  });
}

std::string QemuMachine::pause(const sdk::Context& context, std::string_view) {
  return converse(context, [&](VmmSession& vmm) {
    const auto stop = vmm.client().send("stop");
    const auto status = vmm.client().send("query-status");
    vmm.client().wait(context, stop);
    // A guest that powered itself off a moment ago is off, and not paused.
    return render(vmm.query_reply(context, status));
  });
}

std::string QemuMachine::resume(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  return converse(context, [&](VmmSession& vmm) {
    forget_kept_memory();
    vmm.client().execute(context, "cont");
    if (!json::bool_or(request, "set_clock", false)) return render({"running", {}});
    json::Document reply = json::make_object();
    json::set(reply, reply, "state", "running");
    json::set(reply, reply, "clock", set_clock(context, vmm));
    return json::render(reply);
  });
}

// "set", or why it is not.
std::string QemuMachine::set_clock(const sdk::Context& context, VmmSession& vmm) {
  // A restored channel says that it is open once the guest's own time has gone on a little.
  constexpr int times = 10;
  constexpr int pause_ms = 2;
  for (int i = 0; i < times && !agent_listens(context, vmm.client()); ++i) (void)::poll(nullptr, 0, pause_ms);
  if (!agent_listens(context, vmm.client())) return "no guest agent runs in the guest";
  const std::string why_not = set_clock_by_agent(context, folder().connect(agent_socket));
  return why_not.empty() ? "set" : why_not;
}

std::string QemuMachine::shutdown(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  const std::string method = json::string_or(request, "method", "acpi");
  if (method != "acpi" && method != "agent")
    throw sdk::Failure(ANYVISOR_INVALID_ARGUMENT, "no such way to shut a guest down: " + method)
        .field("/method")
        .hint("use acpi or agent");
  return converse(context, [&](VmmSession& vmm) {
    const Observed now = vmm.query(context);
    if (now.state == "shutdown") return render(now);
    if (now.state == "created")
      throw sdk::Failure(ANYVISOR_INVALID_STATE, "the guest has not been booted: nothing in it can shut down")
          .hint("end the machine: stop --force");
    if (method == "agent") return ask_agent_to_shut_down(context, vmm);
    const auto button = vmm.client().send("system_powerdown");
    // A guest that stands still cannot answer the power button.
    if (now.state == "paused") vmm.client().execute(context, "cont");
    vmm.client().wait(context, button);
    return render({"running", {}});
  });
}

std::string QemuMachine::ask_agent_to_shut_down(const sdk::Context& context, VmmSession& vmm) {
  if (!agent_listens(context, vmm.client()))
    throw sdk::Failure(ANYVISOR_NOT_READY, "no guest agent runs in the guest")
        .hint("install qemu-guest-agent in it, or use acpi");
  shut_down_by_agent(context, folder().connect(agent_socket));
  return render({"running", {}});
}

std::string QemuMachine::terminate(const sdk::Context& context, std::string_view) {
  std::string reply = converse(context, [&](VmmSession& vmm) {
    vmm.client().send("quit");
    vmm.client().wait_closed(context);
    return render({"stopped", {}});
  });
  session_.reset();
  memory_.reset();
  vmm_pid_ = -1;
  for (const char* name : {qmp_socket, console_socket, agent_socket}) folder().remove(name);
  return reply;
}

std::string QemuMachine::state(const sdk::Context& context, std::string_view) {
  try {
    return converse(context, [&](VmmSession& vmm) { return render(vmm.query(context)); });
  } catch (const sdk::Failure& failure) {
    // Nobody there, or nobody who answers: that is a state too.
    if (failure.status() != ANYVISOR_UNAVAILABLE && failure.status() != ANYVISOR_TIMEOUT) throw;
    return render({"unknown", failure.what()});
  }
}

std::string QemuMachine::fork(const sdk::Context&, std::string_view) {
  throw sdk::unsupported(later);
}

std::string QemuMachine::snapshot_disk(const sdk::Context& context, std::string_view request_text) {
  json::Document request = parse_object(request_text, "the request");
  return converse(context, [&](VmmSession& vmm) {
    const LiveSnapshot done = switch_to_overlay(context, vmm.client(), folder(), request);
    vmm.follow_events();
    // Known, not asked for: a call that was cancelled meanwhile has its answer all the same.
    if (vmm.known().state == "unknown") vmm.query(context);
    json::Document reply = json::make_object();
    json::set(reply, reply, "state", vmm.known().state);
    json::set(reply, reply, "switched", done.switched);
    json::set(reply, reply, "frozen", done.frozen);
    if (done.switched) json::set(reply, reply, "held_us", std::int64_t{done.held.count()});
    if (done.switched && !done.frozen) json::set(reply, reply, "frozen_reason", done.why_not_frozen);
    return json::render(reply);
  });
}

std::string QemuMachine::guest_endpoints(const sdk::Context&, std::string_view) {
  json::Document reply = json::make_object();
  auto add = [&](const char* name, const char* socket) {
    json::Document way = json::make_object();
    json::set(way, way, "socket", document_.folder + "/" + socket);
    json::set_copy(reply, reply, name, way);
  };
  add("console", console_socket);
  add("agent", agent_socket);
  json::set_value(reply, reply, "addresses", json::Value(rapidjson::kArrayType));
  if (has_vsock(document_.hardware)) {
    json::Document vsock = json::make_object();
    json::set(vsock, vsock, "cid", std::uint64_t{document_.vsock.cid});
    json::set_copy(reply, reply, "vsock", vsock);
  }
  return json::render(reply);
}

int QemuMachine::event_fd() {
  return session_ ? session_->event_fd() : -1;
}

std::string QemuMachine::on_event(const sdk::Context&, std::string_view) {
  if (!session_) return "{}";
  try {
    const bool changed = session_->follow_events();
    const std::string reply = changed ? render(session_->known()) : "{}";
    session_->rearm();
    return reply;
  } catch (const ConnectionLost&) {
    // QEMU has ended, which the host sees by itself, or has hung up: then the next call connects anew.
    session_.reset();
    return "{}";
  }
}

}  // namespace anyvisor::qemu
