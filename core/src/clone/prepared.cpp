// SPDX-License-Identifier: MIT
#include "clone/prepared.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "document/json.hpp"
#include "image/image_catalog.hpp"
#include "instance/identifier.hpp"
#include "storage/atomic_file.hpp"
#include "storage/fd.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {
namespace {

constexpr int schema = 1;
// Of the identity units: what was prepared by others is prepared anew.
constexpr std::uint64_t rules = 3;

std::string render(const Prepared& prepared) {
  auto document = json::make_object();
  json::set(document, document, "schema", schema);
  json::set(document, document, "rules", rules);
  json::set(document, document, "base", prepared.base);
  if (!prepared.generalized.empty()) json::set(document, document, "generalized", prepared.generalized);
  json::Value stamp(rapidjson::kObjectType);
  json::set(document, stamp, "inode", prepared.stamp.inode);
  json::set(document, stamp, "size", prepared.stamp.size);
  json::set(document, stamp, "modified_ns", prepared.stamp.modified_ns);
  json::set(document, stamp, "changed_ns", prepared.stamp.changed_ns);
  json::set_value(document, document, "stamp", std::move(stamp));
  if (!prepared.distrust.empty()) json::set(document, document, "distrust", prepared.distrust);
  json::Value slots(rapidjson::kArrayType);
  for (const auto& slot : prepared.slots) {
    json::Value item(rapidjson::kObjectType);
    json::set(document, item, "unit", slot.unit);
    json::set(document, item, "path", slot.path);
    json::set(document, item, "text", slot.text);
    json::set(document, item, "length", slot.length);
    json::set(document, item, "position", slot.position);
    slots.PushBack(item, document.GetAllocator());
  }
  json::set_value(document, document, "slots", std::move(slots));
  return json::render_pretty(document);
}

Prepared parse(const json::Document& document) {
  Prepared prepared;
  prepared.base = json::string_or(document, "base");
  prepared.generalized = json::string_or(document, "generalized");
  if (const auto* stamp = json::object_or_null(document, "stamp"))
    prepared.stamp = {json::uint_or(*stamp, "inode", 0), json::uint_or(*stamp, "size", 0),
                      json::int_or(*stamp, "modified_ns", 0), json::int_or(*stamp, "changed_ns", 0)};
  prepared.distrust = json::string_or(document, "distrust");
  if (const auto* slots = json::array_or_null(document, "slots"))
    for (const auto& item : slots->GetArray())
      prepared.slots.push_back({json::string_or(item, "unit"), json::string_or(item, "path"),
                                json::string_or(item, "text"), json::uint_or(item, "length", 0),
                                json::uint_or(item, "position", 0)});
  return prepared;
}

std::string path_of(const Workspace& workspace, const std::string& base) {
  return workspace.home.prepared() + "/" + base + ".json";
}

}  // namespace

Result<FileStamp> stamp_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno("cannot look at \"" + path + "\"", errno);
  constexpr std::int64_t second = 1000000000;
  return FileStamp{status.st_ino, static_cast<std::uint64_t>(status.st_size),
                   status.st_mtim.tv_sec * second + status.st_mtim.tv_nsec,
                   status.st_ctim.tv_sec * second + status.st_ctim.tv_nsec};
}

Result<std::optional<Prepared>> PreparedStore::read(const std::string& base) const {
  const std::string path = path_of(workspace_, base);
  auto text = read_file(path);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return std::optional<Prepared>();
    return tl::unexpected(std::move(text).error());
  }
  auto document = parse_stored(*text, path, schema);
  if (!document || json::uint_or(*document, "rules", 0) != rules) return std::optional<Prepared>();
  Prepared prepared = parse(*document);
  if (prepared.base != base || prepared.generalized.empty()) return std::optional<Prepared>(std::move(prepared));
  auto disk = workspace_.disks.read(prepared.generalized);
  if (!disk) return std::optional<Prepared>();
  auto stamp = stamp_of(workspace_.disks.path(*disk));
  if (!stamp || *stamp != prepared.stamp) return std::optional<Prepared>();
  return std::optional<Prepared>(std::move(prepared));
}

Result<void> PreparedStore::write(const Prepared& prepared) const {
  return write_file_atomically(workspace_.home.prepared(), prepared.base + ".json", render(prepared), "prepare.record");
}

Result<void> PreparedStore::remove(const std::string& base) const {
  return remove_file_durably(workspace_.home.prepared(), base + ".json", "prepare.forget");
}

Result<std::vector<std::string>> PreparedStore::list() const {
  struct stat status {};
  if (::stat(workspace_.home.prepared().c_str(), &status) != 0) return std::vector<std::string>();
  constexpr std::string_view ending = ".json";
  std::vector<std::string> ids;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(workspace_.home.prepared(), failure)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(ending) && is_id(name.substr(0, name.size() - ending.size())))
      ids.push_back(name.substr(0, name.size() - ending.size()));
  }
  if (failure) return fail_errno("cannot read \"" + workspace_.home.prepared() + "\"", failure.value());
  return ids;
}

namespace {

// The appliance works on `overlay`; what it says of the slots is checked against the overlay itself.
Result<Prepared> generalize(const Workspace& workspace, const IdentityWorker& worker, Disk& overlay,
                            const GeneralizeTask& task, Operation& operation) {
  IdentityTask work;
  work.action = "generalize";
  work.disk = workspace.disks.path(overlay);
  work.format = overlay.format;
  ANYVISOR_TRY(work.written, written_since_image(workspace.disks, overlay));
  work.emulate = task.emulate();
  work.source_name = task.source_name;
  work.source_macs = task.source_macs;
  ANYVISOR_TRY(auto report, worker.run(work, operation));
  Prepared prepared;
  prepared.base = overlay.backing;
  prepared.distrust = report.distrust;
  for (const auto& sought : report.slots) prepared.slots.push_back(sought.slot);
  if (prepared.distrust.empty()) {
    auto slots = find_slots(work.disk, std::move(report.slots));
    if (slots)
      if (auto clean = check_journals(work.disk, report.superblocks); !clean)
        slots = tl::unexpected(std::move(clean).error());
    if (slots)
      prepared.slots = std::move(*slots);
    else if (slots.error().kind == ErrorKind::unsupported || slots.error().kind == ErrorKind::exhausted)
      prepared.distrust = slots.error().message;
    else
      return tl::unexpected(std::move(slots).error());
  }
  if (!prepared.distrust.empty()) return prepared;
  ANYVISOR_CHECK(workspace.disks.freeze(overlay));
  prepared.generalized = overlay.id;
  ANYVISOR_TRY(prepared.stamp, stamp_of(work.disk));
  return prepared;
}

// One prepares at a time: minutes of waiting, which end when it is cancelled.
Result<FileLock> wait_for_turn(const Workspace& workspace, Operation& operation) {
  using namespace std::chrono;
  constexpr milliseconds pause{50};
  const auto give_up = steady_clock::now() + minutes(15);
  while (true) {
    auto lock = FileLock::acquire(workspace.home.prepared() + "/lock", FileLock::Mode::exclusive, pause,
                                  "the preparation of clones");
    if (lock || lock.error().kind != ErrorKind::busy || steady_clock::now() > give_up) return lock;
    pollfd cancelled{operation.cancel_fd, POLLIN, 0};
    if (operation.cancel_fd >= 0 && ::poll(&cancelled, 1, 0) > 0)
      return fail(ErrorKind::cancelled, "cancelled while another clone was being prepared");
  }
}

}  // namespace

Result<Prepared> prepare(const Workspace& workspace, const IdentityWorker& worker, const Disk& base,
                         const GeneralizeTask& task, Operation& operation) {
  PreparedStore store(workspace);
  {
    ANYVISOR_TRY(auto there, store.read(base.id));
    if (there) return std::move(*there);
  }
  // One at a time: whoever waited finds it done.
  ANYVISOR_CHECK(make_folder_durably(workspace.home.prepared(), "prepare.folder"));
  ANYVISOR_TRY(FileLock lock, wait_for_turn(workspace, operation));
  ANYVISOR_TRY(auto there, store.read(base.id));
  if (there) return std::move(*there);
  ANYVISOR_TRY(Disk overlay,
               workspace.disks.create_overlay(new_id(), base, task.virtual_size, "generalised from disk " + base.id));
  auto prepared = generalize(workspace, worker, overlay, task, operation);
  if (!prepared || prepared->generalized.empty()) ANYVISOR_CHECK(workspace.disks.remove(overlay.id));
  if (!prepared) return prepared;
  ANYVISOR_CHECK(store.write(*prepared));
  return prepared;
}

}  // namespace anyvisor
