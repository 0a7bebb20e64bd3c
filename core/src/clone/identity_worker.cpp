// SPDX-License-Identifier: MIT
#include "clone/identity_worker.hpp"

#include <unistd.h>

#include <cstdlib>

#include "document/json.hpp"
#include "instance/identifier.hpp"
#include "process/spawn.hpp"
#include "storage/atomic_file.hpp"

namespace anyvisor {
namespace {

// An appliance under software emulation takes 7 s on two idle cores, and its first making as long again.
constexpr std::chrono::seconds time_limit{300};
constexpr std::chrono::milliseconds grace{3000};  // it ends its appliance and removes its temporary files

// Where the worker keeps its temporary files. It makes and removes the folder; where it was killed, we do. In TMPDIR,
// not in the home: an appliance has sockets there, whose paths may not be long.
std::string scratch_folder() {
  constexpr std::size_t longest = 40;
  const char* given = std::getenv("TMPDIR");
  const std::string folder = given && given[0] == '/' ? given : "/tmp";
  return (folder.size() <= longest ? folder : "/tmp") + "/anyvisor-" + short_id(new_id());
}

void set_strings(json::Document& document, json::Value& object, const char* name,
                 const std::vector<std::string>& texts) {
  json::Value array(rapidjson::kArrayType);
  for (const auto& text : texts) array.PushBack(json::Value(text, document.GetAllocator()), document.GetAllocator());
  json::set_value(document, object, name, std::move(array));
}

json::Document make_request(const IdentityTask& task) {
  auto request = json::make_object();
  json::set(request, request, "action", task.action);
  json::Value disk(rapidjson::kObjectType), source(rapidjson::kObjectType), values(rapidjson::kObjectType);
  json::set(request, disk, "path", task.disk);
  json::set(request, disk, "format", task.format);
  json::Value written(rapidjson::kArrayType);
  for (const auto& range : task.written) {
    json::Value pair(rapidjson::kArrayType);
    pair.PushBack(json::Value(range.position), request.GetAllocator());
    pair.PushBack(json::Value(range.length), request.GetAllocator());
    written.PushBack(pair, request.GetAllocator());
  }
  json::set_value(request, disk, "written", std::move(written));
  json::set_value(request, request, "disk", std::move(disk));
  json::set(request, request, "emulate", task.emulate);
  json::set(request, source, "name", task.source_name);
  set_strings(request, source, "macs", task.source_macs);
  json::set_value(request, request, "source", std::move(source));
  set_strings(request, request, "skip", task.skip);
  for (const auto& [name, value] : task.values) json::set(request, values, name.c_str(), value);
  json::set_value(request, request, "variables", std::move(values));
  return request;
}

IdentityReport read_report(const json::Document& reply) {
  IdentityReport report;
  if (const auto* actions = json::array_or_null(reply, "actions"))
    for (const auto& item : actions->GetArray())
      report.changes.push_back({json::string_or(item, "unit"), json::string_or(item, "what"),
                                json::string_or(item, "path"), json::string_or(item, "reason")});
  if (const auto* slots = json::array_or_null(reply, "slots"))
    for (const auto& item : slots->GetArray()) {
      SoughtSlot slot;
      slot.slot.unit = json::string_or(item, "unit");
      slot.slot.path = json::string_or(item, "path");
      slot.slot.text = json::string_or(item, "text");
      slot.slot.length = json::uint_or(item, "length", 0);
      slot.slot.position = json::uint_or(item, "position", 0);
      slot.placeholder = json::string_or(item, "placeholder");
      const std::string distrust = json::string_or(item, "distrust");
      if (!distrust.empty() && report.distrust.empty()) report.distrust = slot.slot.path + ": " + distrust;
      report.slots.push_back(std::move(slot));
    }
  if (const auto* superblocks = json::array_or_null(reply, "superblocks"))
    for (const auto& position : superblocks->GetArray())
      if (position.IsUint64()) report.superblocks.push_back(position.GetUint64());
  return report;
}

}  // namespace

Result<std::vector<DiskRange>> written_since_image(const DiskStore& disks, const Disk& disk) {
  ANYVISOR_TRY(auto chain, disks.chain(disk.id));
  std::vector<DiskRange> all;
  for (const auto& one : chain) {
    if (one.backing.empty()) break;
    ANYVISOR_TRY(auto ranges, overlay_ranges(disks.path(one)));
    all.insert(all.end(), ranges.begin(), ranges.end());
  }
  return all;
}

Result<json::Document> IdentityWorker::ask(json::Document request, Operation& operation) const {
  if (::access(program_.c_str(), X_OK) != 0)
    return fail(ErrorKind::unavailable, "the identity worker is not installed (" + program_ + ")",
                "install anyvisor with libguestfs, or clone with --identity seed");
  Command command;
  command.argv = {program_};
  command.grace = grace;
  const std::string scratch = scratch_folder();
  json::set(request, request, "scratch", scratch);
  auto result =
      anyvisor::run(command, std::chrono::steady_clock::now() + time_limit, operation.cancel_fd, json::render(request));
  if (::access(scratch.c_str(), F_OK) == 0) (void)remove_tree_durably(scratch, "identity.remove-scratch");
  if (!result && result.error().kind == ErrorKind::cancelled)
    return fail(ErrorKind::cancelled, "cancelled while the guest's disk was being looked into");
  ANYVISOR_TRY(auto ran, std::move(result));
  auto reply = json::parse_object(ran.output, "the identity worker's reply");
  if (!reply)
    return fail(ErrorKind::backend_failed,
                "the identity worker ended with status " + std::to_string(ran.status) + " and no reply" +
                    (ran.errors.empty() ? "" : ": " + json::valid_utf8(ran.errors.substr(0, ran.errors.find('\n')))));
  if (const auto* error = json::object_or_null(*reply, "error")) return tl::unexpected(json::to_error(*error));
  return reply;
}

Result<IdentityReport> IdentityWorker::run(const IdentityTask& task, Operation& operation) const {
  ANYVISOR_TRY(auto reply, ask(make_request(task), operation));
  return read_report(reply);
}

Result<std::vector<IdentityUnitInfo>> IdentityWorker::units(Operation& operation) const {
  auto request = json::make_object();
  json::set(request, request, "action", "list");
  ANYVISOR_TRY(auto reply, ask(std::move(request), operation));
  std::vector<IdentityUnitInfo> units;
  if (const auto* array = json::array_or_null(reply, "units"))
    for (const auto& item : array->GetArray())
      units.push_back({json::string_or(item, "name"), json::string_or(item, "summary")});
  return units;
}

}  // namespace anyvisor
