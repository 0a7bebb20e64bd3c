// SPDX-License-Identifier: MIT
#include "settings/settings.hpp"

#include <gtest/gtest.h>

#include "storage/atomic_file.hpp"
#include "storage/fd.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

constexpr const char* key = "clone.prepare_after_stop";

class SettingsTest : public testing::Test {
 protected:
  Result<Settings> read(const std::string& text) {
    EXPECT_TRUE(write_file_atomically(home(), "settings.json", text, "test.write"));
    return Settings::read(home());
  }
  std::string home() const { return folder_.path(); }
  test::TemporaryFolder folder_;
};

TEST_F(SettingsTest, AreTheirDefaultsWithoutAFile) {
  const auto settings = Settings::read(home());
  ASSERT_TRUE(settings);
  for (const auto& definition : setting_definitions()) {
    EXPECT_EQ(settings->value(definition.key), definition.fallback);
    EXPECT_FALSE(settings->is_set(definition.key));
  }
}

TEST_F(SettingsTest, AreReadBackAsWritten) {
  Settings settings;
  ASSERT_TRUE(settings.set(key, "yes"));
  EXPECT_TRUE(settings.flag(key));
  ASSERT_TRUE(settings.write(home()));
  auto again = Settings::read(home());
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->flag(key) && again->is_set(key));
  ASSERT_TRUE(again->set(key, ""));
  EXPECT_FALSE(again->flag(key) || again->is_set(key));
}

TEST_F(SettingsTest, AChoiceIsOneOfItsWords) {
  Settings settings;
  EXPECT_EQ(settings.value("memory.backing"), "memfd");
  ASSERT_TRUE(settings.set("memory.backing", "file"));
  ASSERT_TRUE(settings.write(home()));
  const auto again = Settings::read(home());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->value("memory.backing"), "file");
  const auto refused = settings.set("memory.backing", "disk");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().hint, "give memfd or file");
}

TEST_F(SettingsTest, APersonNeedsNoSchemaNumber) {
  const auto settings = read(R"({"clone.prepare_after_stop": true})");
  ASSERT_TRUE(settings);
  EXPECT_TRUE(settings->flag(key));
}

TEST_F(SettingsTest, WhatIsWrongIsNamed) {
  const auto expect = [&](const std::string& text, ErrorKind kind, const std::string& named) {
    const auto settings = read(text);
    ASSERT_FALSE(settings) << text;
    EXPECT_EQ(settings.error().kind, kind) << text;
    EXPECT_NE(settings.error().message.find(named), std::string::npos) << settings.error().message;
    EXPECT_NE(settings.error().message.find("settings.json"), std::string::npos) << settings.error().message;
  };
  expect(R"({"clone.prepare": true})", ErrorKind::invalid_argument, "clone.prepare");
  expect(R"({"clone.prepare_after_stop": "true"})", ErrorKind::invalid_argument, key);
  expect(R"({"memory.backing": true})", ErrorKind::invalid_argument, "memory.backing");
  expect(R"({"memory.backing": "disk"})", ErrorKind::invalid_argument, "memfd or file");
  expect(R"({"clone.prepare_after_stop": null})", ErrorKind::invalid_argument, key);
  expect(R"({"clone.prepare_after_stop": true)", ErrorKind::invalid_argument, "");
  expect("[]", ErrorKind::invalid_argument, "");
  expect("", ErrorKind::invalid_argument, "");
  expect(R"({"schema": 99})", ErrorKind::unsupported, "");

  Settings settings;
  EXPECT_EQ(settings.set("nothing", "1").error().field, "/nothing");
  EXPECT_EQ(settings.set(key, "2").error().kind, ErrorKind::invalid_argument);
}

}  // namespace
}  // namespace anyvisor
