// SPDX-License-Identifier: MIT
// plugins/debian-images without a build: references, keys, declines, what is missing, refusals of fetch.
#include "debian_images.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fake_host.hpp"
#include "image_cache.hpp"
#include "reference.hpp"
#include "requirements.hpp"

namespace {

namespace fs = std::filesystem;
namespace json = anyvisor::json;
using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;
using debian_images::DebianImages;
using testing::HasSubstr;
using testing::StartsWith;

class DebianImagesTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/debian-images-XXXXXX";
    ASSERT_TRUE(::mkdtemp(name));
    folder = name;
    path = std::getenv("PATH");
    ::setenv("ANYVISOR_DEBIAN_CACHE", (folder + "/cache").c_str(), 1);
    ::unsetenv("ANYVISOR_DEBIAN_MIRROR");
  }
  void TearDown() override {
    ::setenv("PATH", path.c_str(), 1);
    fs::remove_all(folder);
  }
  DebianImages store(std::string_view settings = "{}") const {
    return {anyvisor::sdk::Host(host.host()), Context(host.context()), settings};
  }
  json::Document resolve(const std::string& reference, std::string_view settings = "{}") const {
    json::Document reply;
    reply.Parse(store(settings).resolve(Context(host.context()), R"({"reference":")" + reference + "\"}").c_str());
    return reply;
  }
  // The failure of a call that must fail.
  template <class Call>
  Failure failure_of(Call&& call) const {
    try {
      call();
    } catch (const Failure& failure) {
      return failure;
    }
    return {ANYVISOR_OK, "it did not fail"};
  }
  Failure failure_of_fetch(const std::string& members) const {
    return failure_of(
        [&] { store().fetch(Context(host.context()), R"({"folder":")" + folder + "\"," + members + "}"); });
  }

  test::FakeHost host;
  std::string folder, path;
};

TEST_F(DebianImagesTest, SuiteAndVersionAreOneContent) {
  const auto suite = resolve("debian:bookworm"), version = resolve("debian:12");
  for (const char* member : {"name", "version", "summary", "key"})
    EXPECT_EQ(json::string_or(suite, member), json::string_or(version, member)) << member;
  EXPECT_EQ(json::string_or(suite, "name"), "debian:bookworm");
  EXPECT_EQ(json::string_or(suite, "version"), "12");
  EXPECT_THAT(json::string_or(suite, "key"), StartsWith("bookworm-amd64-"));
  EXPECT_EQ(json::string_or(resolve("debian:sid"), "key"), json::string_or(resolve("debian:unstable"), "key"));
}

TEST_F(DebianImagesTest, SuitesAndMirrorsHaveKeysOfTheirOwn) {
  const std::string key = json::string_or(resolve("debian:bookworm"), "key");
  EXPECT_NE(json::string_or(resolve("debian:trixie"), "key"), key);
  const std::string other =
      json::string_or(resolve("debian:bookworm", R"({"mirror":"http://127.0.0.1/debian"})"), "key");
  EXPECT_NE(other, key);
  ::setenv("ANYVISOR_DEBIAN_MIRROR", "http://127.0.0.1/debian", 1);
  EXPECT_EQ(json::string_or(resolve("debian:bookworm"), "key"), other);
}

TEST_F(DebianImagesTest, EverythingElseIsDeclined) {
  for (const char* reference : {"", "debian", "debian:", "debian:warty", "debian:99", "ubuntu:22.04", "Debian:12",
                                "/tmp/debian:12", "debian:12 ", "debian:bookworm-backports"}) {
    EXPECT_EQ(failure_of([&] { resolve(reference); }).status(), ANYVISOR_DECLINED) << reference;
    EXPECT_EQ(failure_of_fetch(R"("reference":")" + std::string(reference) + "\"").status(), ANYVISOR_DECLINED)
        << reference;
  }
  EXPECT_TRUE(host.helpers.empty());
}

TEST_F(DebianImagesTest, ListsEachSuiteOnce) {
  json::Document reply;
  reply.Parse(store().list(Context(host.context()), "{}").c_str());
  ASSERT_TRUE(json::find(reply, "images") && reply["images"].IsArray());
  std::vector<std::string> names;
  for (const auto& image : reply["images"].GetArray()) names.push_back(json::string_or(image, "name"));
  EXPECT_THAT(names, testing::UnorderedElementsAre("debian:trixie", "debian:bookworm", "debian:bullseye",
                                                   "debian:forky", "debian:sid"));
}

TEST_F(DebianImagesTest, TellsWhatIsMissingAndTheOneCommand) {
  fs::create_directory(folder + "/empty");
  ::setenv("PATH", (folder + "/empty").c_str(), 1);  // mmdebstrap and mcopy stand in /usr/bin, which it does not name
  json::Document report;
  report.Parse(store().capabilities(Context(host.context()), "{}").c_str());
  const json::Value& answer = report["capabilities"]["mmdebstrap"];
  EXPECT_EQ(json::string_or(answer, "answer"), "needs");
  EXPECT_THAT(json::string_or(answer, "reason"), HasSubstr("mmdebstrap is not installed"));
  EXPECT_THAT(json::string_or(answer, "remedy"), StartsWith("apt install mmdebstrap "));
  EXPECT_THAT(json::string_or(answer, "remedy"), HasSubstr(" mtools"));
  const Failure failure = failure_of_fetch(R"("reference":"debian:12")");
  EXPECT_EQ(failure.status(), ANYVISOR_UNAVAILABLE);
  EXPECT_THAT(failure.what(), HasSubstr("mmdebstrap is not installed"));
  EXPECT_THAT(failure.view().hint, HasSubstr("apt install mmdebstrap"));
  EXPECT_FALSE(fs::exists(folder + "/cache"));
  EXPECT_TRUE(host.helpers.empty());
}

TEST_F(DebianImagesTest, AnImageBringsItsOwnKernel) {
  const Failure failure = failure_of_fetch(R"("reference":"debian:12","kernel":"/boot/vmlinuz")");
  EXPECT_EQ(failure.status(), ANYVISOR_INVALID_ARGUMENT);
  EXPECT_STREQ(failure.view().field, "/kernel");
}

TEST_F(DebianImagesTest, IsNotReadyWhileAnotherProcessBuilds) {
  for (const auto& needed : debian_images::requirements())
    if (!needed.met) GTEST_SKIP() << needed.reason;
  const debian_images::ImageCache cache(debian_images::cache_folder(), json::string_or(resolve("debian:12"), "key"));
  cache.make_folder();
  EXPECT_FALSE(json::bool_or(resolve("debian:12"), "building", true));
  const auto lock = debian_images::BuildLock::try_take(cache.lock());
  ASSERT_TRUE(lock);
  EXPECT_TRUE(json::bool_or(resolve("debian:12"), "building", false));
  const Failure failure = failure_of_fetch(R"("reference":"debian:12")");
  EXPECT_EQ(failure.status(), ANYVISOR_NOT_READY);
  EXPECT_EQ(failure.view().retry, 1);
  EXPECT_TRUE(host.helpers.empty());
}

TEST_F(DebianImagesTest, ABuiltImageIsLinkedIntoTheFolder) {
  const debian_images::ImageCache cache(debian_images::cache_folder(), json::string_or(resolve("debian:12"), "key"));
  cache.make_folder();
  const std::string built = folder + "/built", target = folder + "/target";
  fs::create_directory(built);
  fs::create_directory(target);
  for (const char* name : {"disk.qcow2", "kernel", "initrd"}) std::ofstream(built + "/" + name) << name;
  cache.publish(built, R"({"name":"debian:bookworm","key":"k"})");
  json::Document manifest;
  manifest.Parse(
      store()
          .fetch(Context(host.context()), R"({"reference":"debian:12","name":"mine","folder":")" + target + "\"}")
          .c_str());
  EXPECT_EQ(json::string_or(manifest, "name"), "mine");
  for (const char* name : {"disk.qcow2", "kernel", "initrd"}) EXPECT_EQ(fs::hard_link_count(target + "/" + name), 2U);
  EXPECT_FALSE(fs::exists(target + "/manifest.json"));
  EXPECT_TRUE(host.helpers.empty());
}

TEST_F(DebianImagesTest, RemedyNamesEachPackageOnceAndThenTheCommands) {
  using debian_images::Requirement;
  EXPECT_EQ(debian_images::remedy({Requirement{"a", "", "one", true, "", ""}}), "");
  EXPECT_EQ(debian_images::remedy(
                {Requirement{"a", "", "one", false, "a", ""}, Requirement{"b", "", "one", false, "b", ""},
                 Requirement{"c", "", "two", false, "c", ""}, Requirement{"d", "", "", false, "d", "do it"}}),
            "apt install one two && do it");
  EXPECT_EQ(debian_images::remedy({Requirement{"d", "", "", false, "d", "do it"}}), "do it");
}

}  // namespace
