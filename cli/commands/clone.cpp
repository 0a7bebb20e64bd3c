// SPDX-License-Identifier: MIT
// anyvisor clone, prepare, identity list.
#include <array>
#include <limits>

#include "arguments.hpp"
#include "command.hpp"
#include "commands/instances.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "session.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();
constexpr unsigned most_clones = 1000;  // a slip of the finger is caught here

CloneRequest read_request(const Arguments& arguments) {
  CloneRequest request;
  request.source = arguments.positional().front();
  request.name = arguments.value("name");
  if (arguments.has("name") && request.name.empty()) throw UsageError("--name needs a name", "");
  request.cpus = arguments.number("cpus", 0, 1);
  request.memory = arguments.size("memory", 0);
  request.disk = arguments.size("disk", 0);
  const std::string identity = arguments.choice("identity", {"full", "seed", "none"}, "full");
  request.identity = identity == "seed"   ? CloneIdentity::seed
                     : identity == "none" ? CloneIdentity::none
                                          : CloneIdentity::full;
  const std::string strategy = arguments.choice("strategy", {"auto", "overlay", "reflink", "copy"}, "auto");
  request.strategy = strategy == "overlay"   ? CloneStrategy::overlay
                     : strategy == "reflink" ? CloneStrategy::reflink
                     : strategy == "copy"    ? CloneStrategy::copy
                                             : CloneStrategy::automatic;
  request.keep = arguments.values("keep");
  request.rerun_user_data = arguments.has("rerun-user-data");
  return request;
}

int show_plan(Session& session, const CloneRequest& request) {
  const auto changes = value_of(session.perform("looking into " + request.source, [&](Operation& operation) {
    return session.manager().plan_clone(request, operation);
  }));
  if (session.structured()) {
    json::Document document = json::make_object();
    json::Value list(rapidjson::kArrayType);
    for (const auto& change : changes) {
      json::Value item(rapidjson::kObjectType);
      json::set(document, item, "item", change.unit);
      json::set(document, item, "action", change.what);
      json::set(document, item, "path", change.path);
      json::set(document, item, "reason", change.reason);
      list.PushBack(item, document.GetAllocator());
    }
    json::set_value(document, document, "changes", std::move(list));
    session.answer(json::render_pretty(document));
    return 0;
  }
  if (changes.empty()) {
    session.tell("Nothing in its disk would be changed");
    return 0;
  }
  Table table({"ITEM", "ACTION", "FILE", "WHY"});
  for (const auto& change : changes) table.add({change.unit, change.what, change.path, change.reason});
  session.print(table.render());
  return 0;
}

int run_clone(Session& session, const Arguments& arguments) {
  CloneRequest request = read_request(arguments);
  const unsigned count = arguments.number("count", 1, 1);
  if (count > most_clones) throw UsageError("--count: at most " + std::to_string(most_clones), "");
  if (count > 1 && !request.name.empty())
    throw UsageError("--name is the name of one clone, and --count asks for " + std::to_string(count),
                     "leave one of the two out");
  if (arguments.has("dry-run")) return show_plan(session, request);
  Manager& manager = session.manager();
  std::vector<InstanceInfo> made;
  int code = 0;
  for (unsigned number = 0; number < count; ++number) {
    auto result = session.perform("cloning " + request.source,
                                  [&](Operation& operation) { return manager.clone(request, operation); });
    if (result) {
      session.tell("Cloned " + request.source + " as " + result->name);
      if (request.same_moment_as.empty()) request.same_moment_as = result->id;
      if (!result->warning.empty()) warn(result->warning, session.json());
    }
    if (result && arguments.has("start")) {
      const std::string id = result->id, name = result->name;
      result = session.perform("starting " + name, [&](Operation& operation) {
        return manager.start(id, {false, {WaitFor::running}}, operation);
      });
      if (result) session.tell("Started " + name);
    }
    // What is made stays; a Failed would hide it.
    if (!result) {
      code = report(result.error(), session.json());
      break;
    }
    made.push_back(std::move(*result));
  }
  if (session.structured() && !made.empty())
    session.answer(count == 1 ? json_text(made.front()) : json_list("instances", made));
  return code;
}

int run_prepare(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  return session.for_each(arguments.positional(), [&](const std::string& name) -> Result<void> {
    auto result =
        session.perform("preparing " + name, [&](Operation& operation) { return manager.prepare(name, operation); });
    if (result) session.tell("Prepared " + name + ": it can be cloned in milliseconds");
    return result;
  });
}

int run_compact(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  std::vector<InstanceInfo> compacted;
  const int code = session.for_each(arguments.positional(), [&](const std::string& name) -> Result<void> {
    auto result =
        session.perform("compacting " + name, [&](Operation& operation) { return manager.compact(name, operation); });
    if (!result) return tl::unexpected<Error>(std::move(result).error());
    session.tell("Compacted " + result->name + ": its disk " +
                 (result->disk_layers < 2 ? "stands on no other" : "stands on one other"));
    compacted.push_back(std::move(*result));
    return {};
  });
  print_instances_json(session, arguments.positional(), compacted);
  return code;
}

int run_identity_list(Session& session, const Arguments&) {
  const auto units = value_of(
      session.perform("asking", [&](Operation& operation) { return session.manager().identity_units(operation); }));
  if (session.structured()) {
    json::Document document = json::make_object();
    json::Value list(rapidjson::kArrayType);
    for (const auto& unit : units) {
      json::Value item(rapidjson::kObjectType);
      json::set(document, item, "name", unit.name);
      json::set(document, item, "summary", unit.summary);
      list.PushBack(item, document.GetAllocator());
    }
    json::set_value(document, document, "items", std::move(list));
    session.answer(json::render_pretty(document));
    return 0;
  }
  Table table({"ITEM", "WHAT IT IS"});
  for (const auto& unit : units) table.add({unit.name, unit.summary});
  session.print(table.render());
  return 0;
}

constexpr std::array clone_options{
    Option{"name", 'n', "NAME", "What to call it (default: SOURCE-clone1, or the next number that is free)"},
    Option{"count", 0, "N", "How many clones to make (default: 1)"},
    Option{"start", 0, nullptr, "Start them as well"},
    Option{"cpus", 'c', "N", "Virtual CPUs (default: as the source)"},
    Option{"memory", 'm', "SIZE", "Memory (default: as the source)"},
    Option{"disk", 'd', "SIZE", "Size of the disk; never less than the source's (default: as the source)"},
    Option{"strategy", 0, "auto|overlay|reflink|copy",
           "overlay: its disk stands on the source's; reflink: a file of its own that shares blocks with the source's "
           "(btrfs, xfs); copy: a file of its own that depends on nothing (default: auto)"},
    Option{"identity", 0, "full|seed|none",
           "full: all that two machines must not share is made new; seed: what cloud-init does with a new seed; none: "
           "nothing in the guest (default: full)"},
    Option{"keep", 0, "ITEM", "Leave this as the source has it; see: anyvisor identity list", true},
    Option{"rerun-user-data", 0, nullptr, "Run the source's --cloud-init data in the clone as well"},
    Option{"dry-run", 0, nullptr, "Only show what would be changed in the guest, file by file"},
};

constexpr const char* clone_details =
    "The source's data is shared, not copied: a clone is there in milliseconds, whatever its size. A source that runs\n"
    "goes on running: its disk is caught in one moment, with the guest's file systems frozen where its agent answers,\n"
    "else as after a power cut; a file system's journal mends that at the clone's first mount, and the result says "
    "so.\n"
    "Only the first clone of a source that has changed takes longer, as its disk is looked into; 'prepare' does that\n"
    "ahead of time. A clone has its own name, MAC addresses, machine id, ssh host keys and so on; what the guest's "
    "users\n"
    "have put on the disk is the same.";

constexpr const char* prepare_details =
    "Does what takes seconds at the first clone: looks into the disk of a stopped machine and finds where its "
    "identity\n"
    "stands. Once it has run again and changed, it is to be prepared again.";

constexpr const char* compact_details =
    "The disk of a clone stands on its source's, and after some generations on many. This merges them, so that one\n"
    "other is left at most; what the guest sees is the same. A clone that would get too long a chain does it by "
    "itself.";

}  // namespace

extern const Command clone_command, prepare_command, compact_command, identity_list_command;
constinit const Command clone_command{
    "Instances",   "clone", nullptr, "SOURCE",      "Make machines like another, with identities of their own",
    clone_details, 1,       1,       clone_options, run_clone};
constinit const Command prepare_command{
    "Instances",     "prepare", nullptr,    "NAME...", "Make the next clone of stopped machines quick",
    prepare_details, 1,         any_number, {},        run_prepare};
constinit const Command compact_command{
    "Instances",     "compact", nullptr,    "NAME...", "Merge the disks that those of stopped machines stand on",
    compact_details, 1,         any_number, {},        run_compact};
constinit const Command identity_list_command{
    "Instances", "identity list", nullptr, "", "Show what a clone gets anew", nullptr, 0, 0, {}, run_identity_list};

}  // namespace anyvisor::cli
