// SPDX-License-Identifier: MIT
#include "completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command.hpp"

namespace anyvisor::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<Candidate> named(std::initializer_list<const char*> names) {
  std::vector<Candidate> candidates;
  for (const char* name : names) candidates.push_back({name, ""});
  return candidates;
}

class Example : public Known {
 public:
  std::vector<Candidate> instances(bool deleted) override {
    if (deleted) return named({"gone"});
    return named({"web", "db"});
  }
  std::vector<Candidate> images() override { return named({"debian:bookworm", "mine"}); }
  std::vector<Candidate> plugins(bool backends_only) override {
    if (backends_only) return named({"qemu"});
    return named({"qemu", "user-network"});
  }
  std::vector<Candidate> settings() override { return named({"memory.backing"}); }
  std::vector<Candidate> properties(bool changeable_only) override {
    if (changeable_only) return named({"cpus"});
    return named({"cpus", "id"});
  }
};

std::vector<std::string> after(const std::vector<std::string>& words, bool* files = nullptr) {
  Example known;
  const auto completion = complete(words, known);
  if (files) *files = completion.files;
  std::vector<std::string> texts;
  for (const auto& candidate : completion.candidates) texts.push_back(candidate.text);
  return texts;
}

TEST(Completion, OfCommands) {
  EXPECT_THAT(after({"lau"}), ElementsAre("launch"));
  EXPECT_THAT(after({"image", "im"}), ElementsAre("import"));
  EXPECT_THAT(after({"--format", "json", "res"}), ElementsAre("restart", "resume", "restore", "resolve"));
  EXPECT_THAT(after({""}), Contains("image"));
  EXPECT_THAT(after({""}), Not(Contains("complete")));
  EXPECT_THAT(after({"nonsense", ""}), IsEmpty());
}

TEST(Completion, OfEveryOptionOfEveryCommand) {
  for (const Command* command : commands()) {
    if (!*command->group) continue;
    std::vector<std::string> words;
    const std::string name = command->name;
    words.push_back(name.substr(0, name.find(' ')));
    if (name.find(' ') != std::string::npos) words.push_back(name.substr(name.find(' ') + 1));
    words.emplace_back("--");
    const auto found = after(words);
    for (const auto options : {command->options, global_options()})
      for (const auto& option : options) EXPECT_THAT(found, Contains("--" + std::string(option.name))) << command->name;
  }
}

TEST(Completion, OfOptionsOnceAndTheirValues) {
  EXPECT_THAT(after({"launch", "--cpus", "2", "--cp"}), IsEmpty());
  EXPECT_THAT(after({"launch", "-c", "2", "--cp"}), IsEmpty());
  EXPECT_THAT(after({"launch", "--publish", "1:1", "--pub"}), ElementsAre("--publish"));
  EXPECT_THAT(after({"list", "--format", ""}), ElementsAre("table", "json", "csv", "yaml"));
  EXPECT_THAT(after({"list", "--format=c"}), ElementsAre("--format=csv"));
  EXPECT_THAT(after({"--format", "y"}), ElementsAre("yaml"));
  EXPECT_THAT(after({"launch", "--backend", ""}), ElementsAre("qemu"));
  EXPECT_THAT(after({"launch", "--name", ""}), IsEmpty());
  bool files = false;
  EXPECT_THAT(after({"launch", "--cloud-init", ""}, &files), IsEmpty());
  EXPECT_TRUE(files);
}

TEST(Completion, OfNames) {
  EXPECT_THAT(after({"stop", ""}), ElementsAre("web", "db"));
  EXPECT_THAT(after({"stop", "web", ""}), ElementsAre("db"));
  EXPECT_THAT(after({"info", "w"}), ElementsAre("web"));
  EXPECT_THAT(after({"recover", ""}), ElementsAre("gone"));
  EXPECT_THAT(after({"purge", ""}), ElementsAre("gone"));
  EXPECT_THAT(after({"clone", ""}), ElementsAre("web", "db"));
  EXPECT_THAT(after({"clone", "web", ""}), IsEmpty());
  EXPECT_THAT(after({"exec", "--env", "A=b", "d"}), ElementsAre("db"));
  EXPECT_THAT(after({"rename", "web", ""}), IsEmpty());
  EXPECT_THAT(after({"launch", "debian:"}), ElementsAre("debian:bookworm"));
  EXPECT_THAT(after({"image", "remove", "m"}), ElementsAre("mine"));
  EXPECT_THAT(after({"plugins", "info", "u"}), ElementsAre("user-network"));
  EXPECT_THAT(after({"list", ""}), IsEmpty());
  bool files = false;
  EXPECT_THAT(after({"copy", "notes", "w"}, &files), ElementsAre("web:"));
  EXPECT_TRUE(files);
}

TEST(Completion, OfPropertiesAndSettings) {
  EXPECT_THAT(after({"get", "w"}), ElementsAre("web"));
  EXPECT_THAT(after({"get", "web", ""}), ElementsAre("cpus", "id"));
  EXPECT_THAT(after({"set", "web", ""}), ElementsAre("cpus="));
  EXPECT_THAT(after({"get", "--global", ""}), ElementsAre("memory.backing"));
  EXPECT_THAT(after({"set", "--global", "mem"}), ElementsAre("memory.backing="));
  EXPECT_THAT(after({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
}

}  // namespace
}  // namespace anyvisor::cli
