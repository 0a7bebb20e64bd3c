// SPDX-License-Identifier: MIT
// The JSON of instances: every member that docs/json-output.md promises is there, and none that it does not name.
#include "output/json.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace anyvisor::cli {
namespace {

InstanceInfo example() {
  InstanceInfo info;
  info.name = "a \"name\"\x1b\xff";
  info.state = State::running;
  info.memory = 1ULL << 40;
  info.endpoints.push_back(
      {"net0", "user-network", "52:54:00:00:00:01", "user", {{"udp", "0.0.0.0", 53, 5353}}, {"10.0.2.15"}});
  info.last_phases.push_back({"VMM start", std::chrono::microseconds(5), std::chrono::microseconds(7)});
  return info;
}

void expect_named(const json::Value& value, const std::string& text) {
  if (value.IsArray())
    for (const auto& item : value.GetArray()) expect_named(item, text);
  if (!value.IsObject()) return;
  for (const auto& member : value.GetObject()) {
    const std::string name = member.name.GetString();
    EXPECT_TRUE(text.find("`" + name + "`") != std::string::npos || text.find("\"" + name + "\"") != std::string::npos)
        << name;
    expect_named(member.value, text);
  }
}

TEST(Json, DescribesAnInstance) {
  json::Document document;
  ASSERT_FALSE(document.Parse<rapidjson::kParseValidateEncodingFlag>(json_text(example()).c_str()).HasParseError());
  EXPECT_EQ(json::string_or(document, "name"), "a \"name\"\x1b\xef\xbf\xbd");
  EXPECT_EQ(json::string_or(document, "state"), "Running");
  EXPECT_EQ(json::uint_or(document, "memory", 0), 1ULL << 40);
  EXPECT_EQ(json::int_or(document, "exit_code", 0), -1);
  const auto& port = document["endpoints"][0]["publish"][0];
  EXPECT_EQ(json::string_or(port, "protocol"), "udp");
  EXPECT_EQ(json::uint_or(port, "host_port", 0), 53U);
  EXPECT_EQ(json::uint_or(port, "guest_port", 0), 5353U);
  EXPECT_EQ(json::uint_or(document["last_phases"][0], "duration_us", 0), 7U);
}

TEST(Json, IsDocumented) {
  std::ifstream file(ANYVISOR_DOCS "/json-output.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(text.empty());
  json::Document document;
  document.Parse(json_text(example()).c_str());
  expect_named(document, text);
  const std::string section =
      text.substr(text.find("## An instance"), text.find("## An image") - text.find("## An instance"));
  for (std::size_t at = section.find("\n| `"); at != std::string::npos; at = section.find("\n| `", at + 1)) {
    const std::string cell = section.substr(at + 3, section.find(" |", at + 3) - at - 3);
    for (std::size_t tick = cell.find('`'); tick != std::string::npos;
         tick = cell.find('`', cell.find('`', tick + 1) + 1)) {
      const std::string name = cell.substr(tick + 1, cell.find('`', tick + 1) - tick - 1);
      EXPECT_TRUE(document.HasMember(name)) << name << " is promised and not there";
    }
  }
}

}  // namespace
}  // namespace anyvisor::cli
