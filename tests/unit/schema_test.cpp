// SPDX-License-Identifier: MIT
#include "document/schema.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "document/schema_language.hpp"
#include "document/schema_texts.hpp"

namespace anyvisor {
namespace {

constexpr const char* settings_schema = R"({
  "type": "object", "additionalProperties": false, "required": ["cpus"],
  "properties": {
    "cpus": {"type": "integer", "minimum": 1},
    "mode": {"enum": ["user", "tap"]},
    "mac": {"type": "string", "pattern": "^([0-9a-f][0-9a-f]:){5}[0-9a-f][0-9a-f]$"},
    "nested": {"type": "array", "items": {"$ref": "#/definitions/item"}}
  },
  "definitions": {"item": {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}}}
})";

Result<void> check(const char* text) {
  auto document = json::parse_object(text, "the settings");
  EXPECT_TRUE(document) << text;
  return json::check_schema_text(*document, settings_schema, "the settings");
}

TEST(CheckSchemaText, TakesWhatIsRight) {
  const auto result = check(R"({"cpus":2,"mode":"tap","mac":"52:54:00:00:00:01","nested":[{"path":"/x"}]})");
  EXPECT_TRUE(result) << result.error().message;
}

TEST(CheckSchemaText, PointsAtWhatIsWrong) {
  struct Case {
    const char* text;
    const char* field;
    const char* says;
  };
  for (const auto& [text, field, says] : {
           Case{R"({"cpus":0})", "/cpus", "minimum"},
           Case{R"({"cpus":"two"})", "/cpus", "\"type\": \"integer\""},
           Case{R"({})", "", "\"cpus\" is missing"},
           Case{R"({"cpus":1,"mode":"bridge"})", "/mode", "enum"},
           Case{R"({"cpus":1,"mac":"no"})", "/mac", "pattern"},
           Case{R"({"cpus":1,"nested":[{"path":"a"},{}]})", "/nested/1", "\"path\" is missing"},
           Case{R"({"cpus":1,"nested":[{"path":5}]})", "/nested/0/path", "type"},
       }) {
    const auto result = check(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(result.error().field, field) << result.error().message;
    EXPECT_NE(result.error().message.find(says), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find("the settings"), std::string::npos) << result.error().message;
  }
  EXPECT_FALSE(check(R"({"cpus":1,"colour":"red"})"));
}

TEST(CheckSchemaText, ReportsABrokenSchema) {
  const auto document = json::make_object();
  EXPECT_EQ(json::check_schema_text(document, "{", "the settings").error().kind, ErrorKind::corrupted);
  EXPECT_EQ(json::check_schema_text(document, "[]", "the settings").error().kind, ErrorKind::corrupted);
  EXPECT_EQ(json::check_schema_text(document, R"({"$ref":"#"})", "the settings").error().kind, ErrorKind::corrupted);
  // RapidJSON itself would abort, overflow the stack or ignore the rule with each of these.
  for (const char* text : {
           R"({"type":5})",
           R"({"type":"integr"})",
           R"({"pattern":"("})",
           R"({"properties":{"a":{"pattern":"a()b"}}})",
           R"({"properties":{"a":{"pattern":"{3}"}}})",
           R"({"properties":{"a":{"pattern":"\\d+"}}})",
           R"({"properties":[]})",
           R"({"patternProperties":5})",
           R"({"patternProperties":{"(":{}}})",
           R"({"required":"x"})",
           R"({"not":5})",
           R"({"allOf":[5]})",
           R"({"allOf":[]})",
           R"({"enum":{}})",
           R"({"allOf":[{"$ref":"#/nowhere"}]})",
           R"({"allOf":[{"$ref":"http://example.org/"}]})",
           R"({"properties":{"a":{"$ref":"#/properties/b"},"b":{"$ref":"#/properties/a"}}})",
       }) {
    const auto result = json::check_schema_text(document, text, "the settings");
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().kind, ErrorKind::corrupted) << text << ": " << result.error().message;
    EXPECT_NE(result.error().message.find("the settings"), std::string::npos) << result.error().message;
  }
}

TEST(SupportedPattern, IsWhatTheCheckerCanWorkWith) {
  for (const char* pattern : {"", "^$", "abc", "^a|b$", "(a|b)*c+d?", "[^/]+", "[a-z0-9-]{0,61}", "a{2}", "a{2,}",
                              "\\.\\$", "^\\$$", "((a)b){1,3}", "ü"})
    EXPECT_TRUE(json::is_supported_pattern(pattern)) << pattern;
  for (const char* pattern :
       {"(",    ")",       "()", "a||b", "|a", "a(|b)", "*",   "a**", "a{",    "a{2",   "a{3,2}",
        "a{0}", "a{5000}", "[",  "[]",   "[a", "\\",    "\\d", "a^b", "(/|$)", "(?:a)", "((a{100}){100}){100}"})
    EXPECT_FALSE(json::is_supported_pattern(pattern)) << pattern;
}

TEST(PublishedSchemas, AreThereAndCompile) {
  ASSERT_FALSE(json::schema_texts().empty());
  const auto empty = json::make_object();
  for (const auto& [name, text] : json::schema_texts()) {
    EXPECT_EQ(json::schema_text(name), text);
    const auto result = json::check_schema(empty, name);
    const auto parsed = json::parse_object(text, name);
    ASSERT_TRUE(parsed) << name;
    const auto language = json::check_schema_language(*parsed, name);
    EXPECT_TRUE(language) << language.error().message;
    if (!result) {
      EXPECT_EQ(result.error().kind, ErrorKind::invalid_argument) << name << ": " << result.error().message;
    }
  }
  EXPECT_TRUE(json::schema_text("of-nothing").empty());
  EXPECT_EQ(json::check_schema(empty, "of-nothing").error().kind, ErrorKind::internal);
}

TEST(PublishedSchemas, RefuseAMachineThatIsNone) {
  const auto result = json::check_schema(json::make_object(), "machine");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("is missing"), std::string::npos) << result.error().message;
}

// The patterns that the published schemas use, through the checker.
TEST(Patterns, AreReallyChecked) {
  const auto matches = [](const std::string& pattern, const std::string& text) {
    auto schema = json::make_object();
    json::Document properties = json::make_object(), rule = json::make_object();
    json::set(rule, rule, "pattern", pattern);
    json::set_copy(properties, properties, "a", rule);
    json::set_copy(schema, schema, "properties", properties);
    auto value = json::make_object();
    json::set(value, value, "a", text);
    const auto result = json::check_schema_text(value, json::render(schema), "it");
    EXPECT_TRUE(result || result.error().kind == ErrorKind::invalid_argument) << result.error().message;
    return result.has_value();
  };
  const std::string name = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
  for (std::size_t length = 0; length <= 66; ++length)
    EXPECT_EQ(matches(name, std::string(length, 'n')), length >= 1 && length <= 63) << length;
  EXPECT_FALSE(matches(name, "-x"));
  EXPECT_FALSE(matches(name, "x-"));
  EXPECT_TRUE(matches(name, "x-y"));
  EXPECT_FALSE(matches(name, "x_y"));
  const std::string mac = "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$";
  EXPECT_TRUE(matches(mac, "52:54:00:12:34:56"));
  EXPECT_FALSE(matches(mac, "53:54:00:12:34:56"));
  EXPECT_FALSE(matches(mac, "52:54:00:12:34:5"));
  EXPECT_FALSE(matches(mac, "52:54:00:12:34:56:78"));
  const std::string digest = "^(sha256:[0-9a-f]{64})?$";
  EXPECT_TRUE(matches(digest, ""));
  EXPECT_TRUE(matches(digest, "sha256:" + std::string(64, 'a')));
  EXPECT_FALSE(matches(digest, "sha256:" + std::string(63, 'a')));
  EXPECT_FALSE(matches("^[^/]+$", "a/b"));
  EXPECT_TRUE(matches("^[^/]+$", "a.b"));
}

TEST(PublishedSchemas, CanBeCheckedByManyThreads) {
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n)
        if (!json::check_schema(json::make_object(), "machine")) ++refused;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(refused, 200);
}

}  // namespace
}  // namespace anyvisor
