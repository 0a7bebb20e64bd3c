// SPDX-License-Identifier: MIT
// anyvisor delete, recover, purge, prune.
#include <anyvisor/json.hpp>
#include <array>
#include <limits>

#include "command.hpp"
#include "commands/instances.hpp"
#include "output/json.hpp"
#include "output/table.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

bool is_deleted(const InstanceInfo& info) {
  return !info.deleted.empty();
}

// {"<member>": ["NAME", ...]}; nothing when all failed.
void answer_names(const Session& session, const char* member, const std::vector<std::string>& names, int code) {
  if (!session.structured() || (code != 0 && names.empty())) return;
  json::Document document = json::make_object();
  json::set(document, document, member, names);
  session.answer(json::render_pretty(document));
}

int run_delete(Session& session, const Arguments& arguments) {
  DeleteRequest request;
  request.force = arguments.has("force");
  request.purge = arguments.has("purge");
  const auto names = named_or_all(session, arguments, "delete",
                                  [&](const InstanceInfo& info) { return request.purge || !is_deleted(info); });
  Manager& manager = session.manager();
  std::vector<std::string> deleted;
  const int code = session.for_each(names, [&](const std::string& name) -> Result<void> {
    auto result = session.perform("deleting " + name,
                                  [&](Operation& operation) { return manager.remove(name, request, operation); });
    if (!result) return result;
    session.tell("Deleted " + name + (request.purge ? " for good" : ""));
    deleted.push_back(name);
    return {};
  });
  if (!request.purge && !deleted.empty())
    session.tell("To take it back: anyvisor recover NAME. To free its name and its disk: anyvisor purge");
  answer_names(session, "deleted", deleted, code);
  return code;
}

int run_recover(Session& session, const Arguments& arguments) {
  const auto names = named_or_all(session, arguments, "recover", is_deleted);
  Manager& manager = session.manager();
  std::vector<InstanceInfo> recovered;
  const int code = session.for_each(names, [&](const std::string& name) -> Result<void> {
    auto result =
        session.perform("recovering " + name, [&](Operation& operation) { return manager.recover(name, operation); });
    if (!result) return tl::unexpected<Error>(std::move(result).error());
    session.tell(result->already ? result->name + " is not deleted" : "Recovered " + result->name);
    recovered.push_back(std::move(*result));
    return {};
  });
  print_instances_json(session, arguments.positional(), recovered);
  return code;
}

// Without names all deleted ones, as everybody expects of it.
int run_purge(Session& session, const Arguments& arguments) {
  Manager& manager = session.manager();
  std::vector<std::string> names = arguments.positional();
  if (names.empty())
    for (const auto& info : value_of(manager.list()))
      if (is_deleted(info)) names.push_back(info.name);
  std::vector<std::string> purged;
  const int code = session.for_each(names, [&](const std::string& name) -> Result<void> {
    auto result =
        session.perform("purging " + name, [&](Operation& operation) { return manager.purge(name, operation); });
    if (!result) return result;
    session.tell("Purged " + name);
    purged.push_back(name);
    return {};
  });
  if (names.empty()) session.tell("Nothing is deleted.");
  answer_names(session, "purged", purged, code);
  return code;
}

int run_prune(Session& session, const Arguments& arguments) {
  PruneRequest request;
  request.dry_run = arguments.has("dry-run");
  request.images = arguments.has("images");
  const auto found = value_of(session.perform("looking for what nothing refers to", [&](Operation& operation) {
    return session.manager().prune(request, operation);
  }));
  if (session.structured()) {
    session.answer(json_list(request.dry_run ? "leftovers" : "pruned", found));
    return 0;
  }
  if (found.empty()) {
    session.tell("Nothing is left over.");
    return 0;
  }
  Table table({"KIND", "NAME", "SIZE", "WHERE"});
  std::uint64_t size = 0;
  for (const auto& each : found) {
    table.add({each.kind, each.name, human_size(each.size), each.path});
    size += each.size;
  }
  session.print(table.render());
  session.tell((request.dry_run ? "To be freed: " : "Freed: ") + human_size(size));
  return 0;
}

constexpr std::array delete_options{
    Option{"all", 0, nullptr, "All instances"},
    Option{"force", 'f', nullptr, "Also when it runs, or has saved memory; both are lost"},
    Option{"purge", 'p', nullptr, "At once and for good; also what was deleted before"},
};
constexpr std::array recover_options{Option{"all", 0, nullptr, "All that are deleted"}};
constexpr std::array prune_options{
    Option{"dry-run", 0, nullptr, "Only show what would go, and its size"},
    Option{"images", 0, nullptr, "Also images from which no instance was made that is still there"},
};

constexpr const char* delete_details =
    "A deleted instance keeps its name, its addresses and its disk until it is purged; `anyvisor recover` takes it "
    "back.\n"
    "A damaged one cannot be kept: with --force it goes for good.";
constexpr const char* purge_details = "Without NAME: all that are deleted.";
constexpr const char* prune_details =
    "What killed commands have left, disks that nothing stands on, and what was prepared for clones of disks that "
    "have\n"
    "gone. Each command removes most of that by itself. Deleted instances are not among it: see 'anyvisor purge'.";

}  // namespace

extern const Command delete_command, recover_command, purge_command, prune_command;
constinit const Command delete_command{
    "Instances",    "delete", "rm",       "NAME... | --all", "Delete instances; they can be taken back until purged",
    delete_details, 0,        any_number, delete_options,    run_delete};
constinit const Command recover_command{
    "Instances", "recover", nullptr,    "NAME... | --all", "Take deleted instances back",
    nullptr,     0,         any_number, recover_options,   run_recover};
constinit const Command purge_command{
    "Instances",   "purge", nullptr,    "[NAME...]", "Remove deleted instances with their disks, for good",
    purge_details, 0,       any_number, {},          run_purge};
constinit const Command prune_command{
    "This machine", "prune",  nullptr, "", "Remove what nothing refers to", prune_details, 0, 0,
    prune_options,  run_prune};

}  // namespace anyvisor::cli
