// SPDX-License-Identifier: MIT
#include "instance/pending_seed.hpp"

#include "document/json.hpp"
#include "storage/atomic_file.hpp"
#include "storage/stored_document.hpp"

namespace anyvisor {
namespace {

constexpr const char* file_name = "seed.json";
constexpr int schema = 1;

}  // namespace

Result<void> stage_seed(const std::vector<std::pair<std::string, std::string>>& files, StagedFolder& staged) {
  auto document = json::make_object();
  json::set(document, document, "schema", schema);
  json::Value texts(rapidjson::kObjectType);
  for (const auto& [name, text] : files) json::set(document, texts, name.c_str(), text);
  json::set_value(document, document, "files", std::move(texts));
  return staged.write(file_name, json::render(document));
}

Result<void> write_pending_seed(LockedInstance& locked, MachineControl& machine, PhaseClock& clock) {
  const std::string path = locked.folder + "/" + file_name;
  auto text = read_file(path);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return {};
    return tl::unexpected(std::move(text).error());
  }
  clock.begin("seed");
  ANYVISOR_TRY(auto document, parse_stored(*text, path, schema));
  std::vector<std::pair<std::string, std::string>> files;
  if (const auto* texts = json::object_or_null(document, "files"))
    for (const auto& member : texts->GetObject())
      if (member.value.IsString()) files.emplace_back(member.name.GetString(), member.value.GetString());
  ANYVISOR_CHECK(machine.write_seed(files, clock.operation()));
  return remove_file_durably(locked.folder, file_name, "seed.written");
}

}  // namespace anyvisor
