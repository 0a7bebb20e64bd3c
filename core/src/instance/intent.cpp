// SPDX-License-Identifier: MIT
#include "instance/intent.hpp"

#include "document/json.hpp"
#include "process/process_identity.hpp"
#include "storage/atomic_file.hpp"
#include "storage/fd.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {

std::string render(const Intent& intent) {
  auto document = json::make_object();
  json::set(document, document, "schema", intent_schema);
  json::set(document, document, "operation", intent.operation);
  json::set(document, document, "force", intent.force);
  json::set(document, document, "since", intent.since.empty() ? now_utc() : intent.since);
  if (!intent.save.empty()) {
    json::set(document, document, "save", intent.save);
    json::set(document, document, "was_running", intent.was_running);
  }
  return json::render_pretty(document);
}

Result<std::optional<Intent>> read_intent(const std::string& folder) {
  std::string path = folder + "/intent.json";
  auto text = read_file(path);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return std::optional<Intent>();
    return tl::unexpected(std::move(text).error());
  }
  ANYVISOR_TRY(auto document, parse_stored(*text, path, intent_schema));
  Intent intent;
  intent.operation = json::string_or(document, "operation");
  intent.force = json::bool_or(document, "force", false);
  intent.since = json::string_or(document, "since");
  intent.save = json::string_or(document, "save");
  intent.was_running = json::bool_or(document, "was_running", true);
  for (const char* known : {"launch", "start", "stop", "delete", "purge", "set", "standby", "restore"})
    if (intent.operation == known) return std::optional<Intent>(std::move(intent));
  return fail(ErrorKind::corrupted, path + " names the unknown operation \"" + intent.operation + "\"");
}

Result<void> write_intent(const std::string& folder, const Intent& intent) {
  return write_file_atomically(folder, "intent.json", render(intent), "intent.write");
}

Result<void> clear_intent(const std::string& folder) {
  return remove_file_durably(folder, "intent.json", "intent.clear");
}

}  // namespace anyvisor
