// SPDX-License-Identifier: MIT
#include "sources.hpp"

#include <rapidjson/document.h>
#include <rapidjson/istreamwrapper.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace anyvisor::bench {

Sources read_sources(const std::string& folder, const std::string& cli) {
  std::ifstream file(folder + "/sources.json");
  rapidjson::IStreamWrapper stream(file);
  rapidjson::Document document;
  if (!file || document.ParseStream(stream).HasParseError() || !document.IsObject())
    throw std::runtime_error(folder + ": no sources.json; sources.py makes it");
  Sources sources{document["home"].GetString(), cli, folder + "/scratch", {}};
  for (const auto& item : document["sources"].GetArray())
    sources.all.push_back({item["name"].GetString(), item["peer"].GetString()});
  std::filesystem::create_directories(sources.scratch);
  return sources;
}

}  // namespace anyvisor::bench
