// SPDX-License-Identifier: MIT
#include "output/formats.hpp"

#include <gtest/gtest.h>

namespace anyvisor::cli {
namespace {

json::Document parsed(const char* text) {
  json::Document document;
  document.Parse(text);
  EXPECT_FALSE(document.HasParseError()) << text;
  return document;
}

TEST(Yaml, HasTheSameMembers) {
  EXPECT_EQ(to_yaml(parsed(R"({"instances": [{"name": "web", "cpus": 2, "ports": [{"a": 1, "b": "x"}, {"a": 2}],
                              "none": [], "nothing": {}, "known": null, "runs": true}, {"name": "db"}]})")),
            "instances:\n"
            "  - name: web\n"
            "    cpus: 2\n"
            "    ports:\n"
            "      - a: 1\n"
            "        b: x\n"
            "      - a: 2\n"
            "    none: []\n"
            "    nothing: {}\n"
            "    known: null\n"
            "    runs: true\n"
            "  - name: db\n");
  EXPECT_EQ(to_yaml(parsed(R"({"deleted": ["a", "b"], "left": []})")), "deleted:\n  - a\n  - b\nleft: []\n");
}

// What a reader would take for a number, a truth value, a comment or a structure is quoted.
TEST(Yaml, KeepsTextText) {
  for (const char* text : {"true", "No", "null", "y", "1", "1.5", "0x10", "2026-11-30", "a: b", "- a", "a #b", "", " a",
                           "~", "nan", ".inf", "[a]", "a\\b"})
    EXPECT_EQ(to_yaml(json::Value(rapidjson::StringRef(text))).front(), '"') << text;
  EXPECT_EQ(to_yaml(json::Value("plain-word.1")), "plain-word.1\n");
  EXPECT_EQ(to_yaml(json::Value("a\nb\x1b\"")), "\"a\\nb\\u001B\\\"\"\n");
  EXPECT_EQ(to_yaml(json::Value("\x7f \xc2\x9b \xef\xbb\xbf \xef\xbf\xbf \xef\xbf\xbd \xc3\xa4")),
            "\"\\u007f \\u009b \\ufeff \\uffff \xef\xbf\xbd \xc3\xa4\"\n");
}

TEST(Csv, HasALineForEachItem) {
  EXPECT_EQ(to_csv(parsed(R"({"instances": [{"name": "a,b", "cpus": 2, "ports": [1], "known": null},
                                            {"name": "q\"q\nx", "cpus": 3, "ports": [], "known": true}]})")),
            "name,cpus,ports,known\n\"a,b\",2,[1],\n\"q\"\"q\nx\",3,[],true\n");
  EXPECT_EQ(to_csv(parsed(R"({"version": "0.1.0"})")), "version\n0.1.0\n");
  EXPECT_EQ(to_csv(parsed(R"({"deleted": ["a", "b"]})")), "deleted\na\nb\n");
  EXPECT_EQ(to_csv(parsed(R"({"instances": []})")), "");
}

}  // namespace
}  // namespace anyvisor::cli
