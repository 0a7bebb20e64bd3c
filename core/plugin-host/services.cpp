// SPDX-License-Identifier: MIT
#include "services.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "accelerator_probe.hpp"
#include "call_context.hpp"
#include "document/json.hpp"
#include "document/schema.hpp"
#include "log.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor::host {
namespace {

constexpr std::size_t most_arguments = 4096;

Services& self(const anyvisor_host* host) {
  return *static_cast<Services*>(host->host_data);
}
const CallContext& call_of(const anyvisor_context* context) {
  return *static_cast<const CallContext*>(context->host_data);
}

std::vector<std::string> strings(const char* const* list) {
  std::vector<std::string> all;
  for (std::size_t i = 0; list && list[i] && i < most_arguments; ++i) all.emplace_back(list[i]);
  return all;
}

// `output_may_be_named`: descriptor 1 may be among those that the plugin lists.
Command to_command(const anyvisor_process* given, bool output_may_be_named) {
  anyvisor_process process{};
  std::memcpy(&process, given, std::min<std::size_t>(given->struct_size, sizeof process));
  Command command;
  command.argv = strings(process.argv);
  command.env = strings(process.env);
  // Standard output is the instance's vmm.log unless the plugin names a file of its own for it: a VMM may have no other
  // way to append to the console's log.
  for (std::size_t i = 0; i < process.fd_count; ++i)
    if (output_may_be_named && process.fds[i].as == STDOUT_FILENO)
      command.stdout_fd = process.fds[i].fd;
    else
      command.fds.emplace_back(process.fds[i].fd, process.fds[i].as);
  return command;
}

}  // namespace

Services::Services(std::string plugin_id, Vmm* vmm, std::string home)
    : plugin_id_(std::move(plugin_id)), vmm_(vmm), home_(std::move(home)) {
  host_.struct_size = sizeof host_;
  host_.abi_minor = ANYVISOR_ABI_MINOR;
  host_.host_data = this;
  host_.log = on_log;
  host_.intern = on_intern;
  host_.temp_folder = on_temp_folder;
  host_.spawn = on_spawn;
  host_.run = on_run;
  host_.probe_accelerator = on_probe;
  host_.service = [](const anyvisor_host*, const char*) -> const void* { return nullptr; };
}

Services::~Services() {
  if (!temp_folder_.empty()) (void)remove_tree_durably(temp_folder_, "host.temp-remove");
}

void Services::on_log(const anyvisor_host* host, std::int32_t level, const char* message) {
  write_log(level, self(host).plugin_id_ + ": " + plugin_text(message));
}

const char* Services::on_intern(const anyvisor_host* host, const char* text, std::size_t size) {
  Services& services = self(host);
  std::lock_guard guard(services.mutex_);
  return services.interned_.emplace_back(text ? text : "", text ? size : 0).c_str();
}

const char* Services::on_temp_folder(const anyvisor_host* host) {
  Services& services = self(host);
  std::lock_guard guard(services.mutex_);
  if (services.temp_folder_.empty()) {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = std::string(base && *base ? base : "/tmp") + "/anyvisor-XXXXXX";
    if (!mkdtemp(pattern.data())) return nullptr;
    services.temp_folder_ = pattern;
  }
  return services.temp_folder_.c_str();
}

anyvisor_status Services::on_spawn(const anyvisor_host* host, const anyvisor_context* context,
                                   const anyvisor_process* process, anyvisor_child* child) {
  Services& services = self(host);
  const CallContext& call = call_of(context);
  if (!services.vmm_)
    return call.record(fail(ErrorKind::invalid_state, "only an instance's plugin-host starts VMMs").value());
  auto started = services.vmm_->start(to_command(process, true));
  if (!started) return call.record(started.error());
  anyvisor_child answer{};
  answer.struct_size = child->struct_size;
  answer.pid = started->pid;
  answer.pidfd = services.vmm_->pidfd();
  std::memcpy(child, &answer, std::min<std::size_t>(child->struct_size, sizeof answer));
  return ANYVISOR_OK;
}

anyvisor_status Services::on_run(const anyvisor_host* host, const anyvisor_context* context,
                                 const anyvisor_process* process, const char** reply) {
  const CallContext& call = call_of(context);
  Command command = to_command(process, false);
  std::string input = process->struct_size >= sizeof *process && process->input ? process->input : "";
  auto ran = run(command, call.deadline(), call.cancel_fd(), input);
  if (!ran) return call.record(ran.error());
  auto document = json::make_object();
  json::set(document, document, "status", ran->status);
  json::set(document, document, "output", json::valid_utf8(ran->output));
  json::set(document, document, "errors", json::valid_utf8(ran->errors));
  self(host).reply_ = json::render(document);
  *reply = self(host).reply_.c_str();
  return ANYVISOR_OK;
}

anyvisor_status Services::on_probe(const anyvisor_host* host, const anyvisor_context* context, const char* request,
                                   const char** reply) {
  Services& services = self(host);
  const CallContext& call = call_of(context);
  auto document = json::parse_object(plugin_text(request), "the probe request");
  if (!document) return call.record(document.error());
  auto answer = probe_accelerator(*document, services.home_, call.deadline(), call.cancel_fd());
  if (!answer) return call.record(answer.error());
  services.reply_ = json::render(*answer);
  *reply = services.reply_.c_str();
  return ANYVISOR_OK;
}

}  // namespace anyvisor::host
