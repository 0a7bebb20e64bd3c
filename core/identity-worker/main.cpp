// SPDX-License-Identifier: MIT
// The identity worker: the only program that links libguestfs. One request on stdin, one reply on stdout, both JSON
// objects; exit code 0, or 1 with {"error":{...}}.
//
//   {"action":"list"}                            > {"units":[{"name","summary"}]}
//   {"action":"describe|rewrite|generalize",
//    "disk":{"path","format",                    written to (describe: only what mounting writes): an overlay of its
//    own
//            "written":[[position,length],...]}, where it was written since it was an image
//    "emulate":bool,                             no accelerator that works
//    "source":{"name","macs":[]},                what the machine was called before
//    "skip":["hosts"],                           units to leave out
//    "variables":{"hostname":"b",...}}           rewrite: the new values
//   > {"system":{"type","distribution","product","root"},
//      "actions":[{"unit","what","path","reason"}],
//      "slots":[{"unit","path","text","placeholder","length","position","distrust"}],   generalize; position: on the
//      disk
//      "superblocks":[position]}               of the guest's ext4 file systems, likewise
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>

#include "appliance_watch.hpp"
#include "document/json.hpp"
#include "rewrite.hpp"
#include "storage/fd.hpp"

namespace anyvisor::identity {
namespace {

std::string read_request() {
  std::string text;
  std::array<char, 65536> chunk{};
  for (ssize_t got; (got = ::read(STDIN_FILENO, chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(got));
  return text;
}

json::Document list_units() {
  auto reply = json::make_object();
  json::Value array(rapidjson::kArrayType);
  for (const auto& unit : units()) {
    json::Value item(rapidjson::kObjectType);
    json::set(reply, item, "name", unit.name);
    json::set(reply, item, "summary", unit.summary);
    array.PushBack(item, reply.GetAllocator());
  }
  json::set_value(reply, reply, "units", std::move(array));
  return reply;
}

json::Document describe(const System& system, const Rewrite& rewrite, const std::vector<std::uint64_t>& superblocks) {
  auto reply = json::make_object();
  json::Value about(rapidjson::kObjectType);
  json::set(reply, about, "type", system.type);
  json::set(reply, about, "distribution", system.distribution);
  json::set(reply, about, "product", system.product);
  json::set(reply, about, "root", system.root_device);
  json::set_value(reply, reply, "system", std::move(about));
  json::Value actions(rapidjson::kArrayType), slots(rapidjson::kArrayType);
  for (const auto& action : rewrite.actions()) {
    json::Value item(rapidjson::kObjectType);
    json::set(reply, item, "unit", action.unit);
    json::set(reply, item, "what", action.what);
    json::set(reply, item, "path", json::valid_utf8(action.path));
    json::set(reply, item, "reason", action.reason);
    actions.PushBack(item, reply.GetAllocator());
  }
  for (const auto& slot : rewrite.slots()) {
    json::Value item(rapidjson::kObjectType);
    json::set(reply, item, "unit", slot.unit);
    json::set(reply, item, "path", json::valid_utf8(slot.path));
    json::set(reply, item, "text", json::valid_utf8(slot.text));
    json::set(reply, item, "placeholder", slot.placeholder);
    json::set(reply, item, "length", slot.length);
    json::set(reply, item, "position", slot.position);
    json::set(reply, item, "distrust", slot.distrust);
    slots.PushBack(item, reply.GetAllocator());
  }
  json::set_value(reply, reply, "actions", std::move(actions));
  json::set_value(reply, reply, "slots", std::move(slots));
  json::Value positions(rapidjson::kArrayType);
  for (const auto position : superblocks) positions.PushBack(json::Value(position), reply.GetAllocator());
  json::set_value(reply, reply, "superblocks", std::move(positions));
  return reply;
}

json::Document serve(const json::Document& request) {
  const std::string action = json::string_or(request, "action");
  if (action == "list") return list_units();
  const Mode mode = action == "rewrite" ? Mode::rewrite : action == "generalize" ? Mode::generalize : Mode::describe;
  if (mode == Mode::describe && action != "describe")
    throw Failure(ErrorKind::invalid_argument, "no such action: \"" + action + "\"");
  const auto none = json::make_object();
  auto part = [&](const char* name) -> const json::Value& {
    const auto* value = json::object_or_null(request, name);
    return value ? *value : static_cast<const json::Value&>(none);
  };
  Source source{json::string_or(part("source"), "name"), json::strings_or_empty(part("source"), "macs")};
  std::map<std::string, std::string> variables;
  for (const auto& member : part("variables").GetObject())
    if (member.value.IsString())
      variables[member.name.GetString()] = {member.value.GetString(), member.value.GetStringLength()};
  const auto skip = json::strings_or_empty(request, "skip");

  std::vector<Range> written;
  if (const auto* ranges = json::array_or_null(part("disk"), "written"))
    for (const auto& range : ranges->GetArray())
      if (range.IsArray() && range.Size() == 2 && range[0].IsUint64() && range[1].IsUint64())
        written.push_back({range[0].GetUint64(), range[1].GetUint64()});

  ApplianceWatch watch(json::string_or(request, "scratch"));
  auto work = [&] {
    Guest guest(json::string_or(part("disk"), "path"), json::string_or(part("disk"), "format"), std::move(written),
                json::bool_or(request, "emulate", true), watch.scratch(), watch.monitor());
    const System system = guest.mount();
    Rewrite rewrite(guest, mode, std::move(source), std::move(variables), {skip.begin(), skip.end()});
    rewrite.run();
    std::vector<std::uint64_t> superblocks;
    if (mode == Mode::generalize) {
      rewrite.find_places();
      superblocks = guest.ext4_superblocks();
    }
    guest.unmount();
    if (mode != Mode::describe) guest.wipe_leftovers();
    if (mode == Mode::generalize) rewrite.prove_places();
    guest.close();
    return describe(system, rewrite, superblocks);
  };
  auto throw_cause = [&] {
    if (auto cause = watch.cause()) throw Failure(*cause);
  };
  try {
    auto reply = work();
    throw_cause();
    return reply;
  } catch (const Failure&) {
    throw_cause();
    throw;
  }
}

int run() {
  json::Document reply = json::make_object();
  int code = 1;
  auto failed = [&](ErrorKind kind, const std::string& message, const std::string& hint) {
    Error error;
    error.kind = kind;
    error.message = json::valid_utf8(message);
    error.hint = hint;
    json::set_copy(reply, reply, "error", json::from_error(error));
  };
  try {
    auto request = json::parse_object(read_request(), "the identity worker's request");
    if (!request) throw Failure(request.error().kind, request.error().message);
    reply = serve(*request);
    code = 0;
  } catch (const Failure& failure) {
    failed(failure.kind, failure.what(), failure.hint);
  } catch (const std::exception& exception) {
    failed(ErrorKind::internal, exception.what(), "");
  }
  return write_all(STDOUT_FILENO, json::render(reply)) ? code : 1;
}

}  // namespace
}  // namespace anyvisor::identity

int main() {
  // Whoever asked waits for the answer. When it is killed, this ends too, and takes the appliance and what is temporary
  // with it (ApplianceWatch).
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  return anyvisor::identity::run();
}
