// SPDX-License-Identifier: MIT
// process.json: reading and rendering.
#include "process/process_identity.hpp"

namespace anyvisor {

namespace {

constexpr std::uint64_t schema_version = 1;

Result<ProcessRecord> from_document(const json::Document& document) {
  ANYVISOR_TRY(const auto schema, json::require_uint(document, "schema"));
  if (schema != schema_version)
    return fail(ErrorKind::corrupted, "it was written by a newer anyvisor (schema " + std::to_string(schema) + ")",
                "use the version of anyvisor that started this instance", "/schema");
  ProcessRecord record;
  ANYVISOR_TRY(const auto pid, json::require_uint(document, "pid"));
  if (pid == 0 || pid > 0x7fffffff) return fail(ErrorKind::corrupted, "\"pid\" is no process id", {}, "/pid");
  record.process.pid = static_cast<int>(pid);
  ANYVISOR_TRY(record.process.start_time, json::require_uint(document, "start_time"));
  ANYVISOR_TRY(record.process.boot_id, json::require_string(document, "boot_id"));
  const json::Value* home = json::object_or_null(document, "home");
  if (!home) return fail(ErrorKind::corrupted, "\"home\" is missing", {}, "/home");
  ANYVISOR_TRY(record.home.device, json::require_uint(*home, "device"));
  ANYVISOR_TRY(record.home.inode, json::require_uint(*home, "inode"));
  ANYVISOR_TRY(record.backend, json::require_string(document, "backend"));
  record.executable = json::string_or(document, "executable");
  record.started = json::string_or(document, "started");
  if (const auto* hardware = json::object_or_null(document, "hardware")) record.hardware = json::render(*hardware);
  if (const auto* endpoints = json::array_or_null(document, "endpoints")) record.endpoints = json::render(*endpoints);
  if (const auto* ended = json::object_or_null(document, "exit")) {
    ProcessRecord::Exit exit;
    exit.time = json::string_or(*ended, "time");
    exit.code = static_cast<int>(json::int_or(*ended, "code", -1));
    exit.signal = static_cast<int>(json::int_or(*ended, "signal", 0));
    exit.reason = json::string_or(*ended, "reason");
    record.exit = std::move(exit);
  }
  return record;
}

// `text` as a value of that kind, or an empty one.
void set_parsed(json::Document& document, const char* name, const std::string& text, rapidjson::Type type) {
  json::Document parsed;
  parsed.Parse(text.data(), text.size());
  if (parsed.HasParseError() || parsed.GetType() != type)
    json::set_value(document, document, name, json::Value(type));
  else
    json::set_copy(document, document, name, parsed);
}

}  // namespace

Result<ProcessRecord> read_process_record(const std::string& folder) {
  const std::string path = folder + "/process.json";
  ANYVISOR_TRY(const auto text, read_file(path));
  auto document = json::parse_object(text, "\"" + path + "\"");
  if (!document) {
    Error error = std::move(document).error();
    error.kind = ErrorKind::corrupted;
    return tl::unexpected<Error>(std::move(error));
  }
  auto record = from_document(*document);
  if (!record) {
    Error error = std::move(record).error();
    error.kind = ErrorKind::corrupted;
    return in_context("\"" + path + "\" cannot be used", std::move(error));
  }
  return record;
}

// The child of spawn() relies on the order: "pid" and "start_time" come before anything that a plugin wrote.
std::string render_process_record(const ProcessRecord& record) {
  json::Document document = json::make_object();
  json::set(document, document, "schema", schema_version);
  json::set(document, document, "pid", record.process.pid);
  json::set(document, document, "start_time", record.process.start_time);
  json::set(document, document, "boot_id", record.process.boot_id);
  json::Document home = json::make_object();
  json::set(home, home, "device", record.home.device);
  json::set(home, home, "inode", record.home.inode);
  json::set_copy(document, document, "home", home);
  json::set(document, document, "backend", json::valid_utf8(record.backend));
  json::set(document, document, "executable", json::valid_utf8(record.executable));
  json::set(document, document, "started", record.started);
  set_parsed(document, "hardware", record.hardware, rapidjson::kObjectType);
  set_parsed(document, "endpoints", record.endpoints, rapidjson::kArrayType);
  if (record.exit) {
    json::Document exit = json::make_object();
    json::set(exit, exit, "time", record.exit->time);
    json::set(exit, exit, "code", record.exit->code);
    json::set(exit, exit, "signal", record.exit->signal);
    json::set(exit, exit, "reason", json::valid_utf8(record.exit->reason));
    json::set_copy(document, document, "exit", exit);
  } else {
    json::set_null(document, document, "exit");
  }
  return json::render_pretty(document);
}

}  // namespace anyvisor
