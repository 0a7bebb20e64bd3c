// SPDX-License-Identifier: MIT
// Where plugins are found, which of them are refused and why, and what is remembered of them.
#include "plugin/discovery.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "plugin/descriptor_cache.hpp"

namespace anyvisor {
namespace {

namespace fs = std::filesystem;

// A folder of its own with three plugin folders; HOME and ANYVISOR_PLUGIN_PATH lead into it.
class Discovery : public testing::Test {
 protected:
  void SetUp() override {
    ::umask(022);
    std::string pattern = fs::temp_directory_path() / "anyvisor-discovery-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = fs::canonical(pattern);
    for (const char* name : {"own", "home", "install"}) fs::create_directories(root_ / name);
    home_folder_ = root_ / "home/.local/lib/anyvisor/plugins";
    if (const char* home = std::getenv("HOME")) old_home_ = home;
    ::setenv("HOME", (root_ / "home").c_str(), 1);
    ::unsetenv("ANYVISOR_PLUGIN_PATH");
  }
  void TearDown() override {
    ::setenv("HOME", old_home_.c_str(), 1);
    ::unsetenv("ANYVISOR_PLUGIN_PATH");
    fs::remove_all(root_);
  }
  static void touch(const fs::path& path, const std::string& text = "text") {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  static void mode(const fs::path& path, unsigned bits) { ASSERT_EQ(::chmod(path.c_str(), bits), 0); }
  std::vector<PluginFile> discover() const { return discover_plugins(root_ / "install"); }

  fs::path root_, home_folder_;
  std::string old_home_;
};

TEST_F(Discovery, NoFolderIsNoError) {
  ::setenv("ANYVISOR_PLUGIN_PATH", (root_ / "missing").c_str(), 1);
  EXPECT_TRUE(discover().empty());
}

TEST_F(Discovery, TakesPluginFilesInOrderAndNothingElse) {
  touch(root_ / "install/anyvisor-zeta.so");
  touch(root_ / "install/anyvisor-alpha.so");
  touch(root_ / "install/libother.so");
  touch(root_ / "install/anyvisor-notes.txt");
  touch(home_folder_ / "anyvisor-mine.so");
  auto files = discover();
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0].id, "mine");
  EXPECT_EQ(files[1].id, "alpha");
  EXPECT_EQ(files[2].id, "zeta");
  for (const auto& file : files) EXPECT_TRUE(file.usable()) << file.path;
  EXPECT_EQ(files[1].path, root_ / "install/anyvisor-alpha.so");
  EXPECT_EQ(files[1].identity.size, 4u);
}

TEST_F(Discovery, TheFirstOfOneIdIsUsedTheOthersSaySo) {
  touch(root_ / "install/anyvisor-a.so");
  touch(home_folder_ / "anyvisor-a.so");
  touch(root_ / "own/anyvisor-a.so");
  const std::string own = root_ / "own", missing = root_ / "missing";
  ::setenv("ANYVISOR_PLUGIN_PATH", (missing + "::" + own + "/:" + own).c_str(), 1);
  auto files = discover();
  ASSERT_EQ(files.size(), 3u);
  EXPECT_TRUE(files[0].usable());
  EXPECT_EQ(files[0].path, own + "/anyvisor-a.so");
  EXPECT_EQ(files[1].shadowed_by, files[0].path);
  EXPECT_EQ(files[2].shadowed_by, files[0].path);
}

TEST_F(Discovery, ARefusedFileDoesNotHideAGoodOne) {
  touch(root_ / "install/anyvisor-a.so");
  touch(home_folder_ / "anyvisor-a.so");
  mode(home_folder_ / "anyvisor-a.so", 0666);
  auto files = discover();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_TRUE(files[0].error);
  EXPECT_TRUE(files[1].usable());
}

TEST_F(Discovery, RefusesAFolderThatOthersCanWriteTo) {
  touch(root_ / "install/anyvisor-a.so");
  for (unsigned bits : {0777u, 01777u, 0775u}) {  // a sticky bit does not help: a file can still be added
    mode(root_ / "install", bits);
    auto files = discover();
    ASSERT_EQ(files.size(), 1u);
    ASSERT_TRUE(files[0].error) << bits;
    EXPECT_EQ(files[0].error->kind, ErrorKind::unavailable);
    EXPECT_NE(files[0].error->message.find("can write to its folder"), std::string::npos) << files[0].error->message;
    EXPECT_NE(files[0].error->hint.find("chmod "), std::string::npos) << files[0].error->hint;
    EXPECT_NE(files[0].error->hint.find((root_ / "install").string()), std::string::npos) << files[0].error->hint;
  }
  mode(root_ / "install", 0777);
  auto error = *discover()[0].error;
  EXPECT_NE(error.message.find("(mode 0777)"), std::string::npos) << error.message;
  EXPECT_NE(error.hint.find("chmod go-w"), std::string::npos) << error.hint;
  mode(root_ / "install", 0755);
  EXPECT_TRUE(discover()[0].usable());
}

TEST_F(Discovery, RefusesAFileThatOthersCanWriteTo) {
  touch(root_ / "install/anyvisor-a.so");
  mode(root_ / "install/anyvisor-a.so", 0664);
  auto file = discover().at(0);
  ASSERT_TRUE(file.error);
  EXPECT_NE(file.error->message.find("its group can write to it (mode 0664)"), std::string::npos)
      << file.error->message;
  EXPECT_NE(file.error->hint.find("chmod g-w"), std::string::npos) << file.error->hint;
}

TEST_F(Discovery, RefusesAFolderFurtherUpThatOthersCanWriteTo) {
  touch(root_ / "open/inner/anyvisor-a.so");
  mode(root_ / "open", 0777);
  auto refused = inspect_plugin_file(root_ / "open/inner/anyvisor-a.so");
  ASSERT_TRUE(refused.error);
  EXPECT_NE(refused.error->message.find("through which it is reached"), std::string::npos) << refused.error->message;
  mode(root_ / "open", 01777);  // as /tmp: nobody can rename what is not theirs
  EXPECT_FALSE(inspect_plugin_file(root_ / "open/inner/anyvisor-a.so").error);
}

TEST_F(Discovery, RefusesAnotherOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  touch(root_ / "install/anyvisor-a.so");
  ASSERT_EQ(::chown((root_ / "install/anyvisor-a.so").c_str(), 12345, 0), 0);
  auto file = discover().at(0);
  ASSERT_TRUE(file.error);
  EXPECT_NE(file.error->message.find("user 12345"), std::string::npos) << file.error->message;
  ASSERT_EQ(::chown((root_ / "install/anyvisor-a.so").c_str(), 0, 0), 0);
  ASSERT_EQ(::chown((root_ / "install").c_str(), 12345, 0), 0);
  file = discover().at(0);
  ASSERT_TRUE(file.error);
  EXPECT_NE(file.error->message.find("its folder"), std::string::npos) << file.error->message;
}

TEST_F(Discovery, FollowsSymbolicLinksAndChecksBothEnds) {
  touch(root_ / "own/real.so");
  fs::create_symlink(root_ / "own/real.so", root_ / "install/anyvisor-a.so");
  auto file = discover().at(0);
  EXPECT_TRUE(file.usable());
  EXPECT_EQ(file.id, "a");
  EXPECT_EQ(file.resolved, root_ / "own/real.so");
  mode(root_ / "own", 0777);
  EXPECT_TRUE(discover().at(0).error);
  mode(root_ / "own", 0755);
  mode(root_ / "install", 0777);  // the link could be turned elsewhere
  EXPECT_TRUE(discover().at(0).error);
}

TEST_F(Discovery, RefusesWhatIsNoFile) {
  fs::create_directories(root_ / "install/anyvisor-folder.so");
  ASSERT_EQ(::mkfifo((root_ / "install/anyvisor-pipe.so").c_str(), 0600), 0);
  fs::create_symlink("nowhere", root_ / "install/anyvisor-broken.so");
  touch(root_ / "install/anyvisor-Bad_Name.so");
  touch(root_ / "install/anyvisor-good.so");
  int good = 0;
  for (const auto& file : discover()) {
    good += file.usable();
    EXPECT_EQ(file.usable(), file.id == "good") << file.path;
    if (file.error) {
      EXPECT_FALSE(file.error->message.empty());
    }
  }
  EXPECT_EQ(good, 1);
  auto missing = inspect_plugin_file(root_ / "install/anyvisor-missing.so");
  ASSERT_TRUE(missing.error);
  EXPECT_EQ(missing.error->kind, ErrorKind::not_found);
}

TEST(PluginFileName, HoldsTheId) {
  EXPECT_EQ(plugin_id_of_file_name("anyvisor-qemu.so"), "qemu");
  EXPECT_EQ(plugin_id_of_file_name("anyvisor-a1-b.so"), "a1-b");
  EXPECT_EQ(plugin_id_of_file_name("anyvisor-" + std::string(32, 'a') + ".so"), std::string(32, 'a'));
  EXPECT_EQ(plugin_id_of_file_name("anyvisor-" + std::string(33, 'a') + ".so"), "");
  for (const char* name :
       {"anyvisor-.so", "anyvisor.so", "anyvisor-1a.so", "anyvisor-A.so", "qemu.so", "anyvisor-a.so.1"})
    EXPECT_EQ(plugin_id_of_file_name(name), "") << name;
}

class Cache : public Discovery {
 protected:
  void SetUp() override {
    Discovery::SetUp();
    plugin_ = root_ / "install/anyvisor-a.so";
    touch(plugin_);
    descriptor_.Parse(R"({"path":"/x","id":"a","version":"1","abi":"0.1","interfaces":[],"settings_schema":null})");
  }
  std::string folder() const { return root_ / "cache"; }
  fs::path only_file() const { return fs::directory_iterator(folder())->path(); }
  fs::path plugin_;
  json::Document descriptor_;
};

TEST_F(Cache, GivesBackWhatItGotForThatStateOfTheFile) {
  DescriptorCache cache(folder(), "0.1.0");
  auto file = inspect_plugin_file(plugin_);
  EXPECT_FALSE(cache.get(file));
  ASSERT_TRUE(cache.put(file, descriptor_));
  auto known = cache.get(inspect_plugin_file(plugin_));
  ASSERT_TRUE(known);
  EXPECT_EQ(json::render(*known), json::render(descriptor_));
  EXPECT_FALSE(DescriptorCache(folder(), "0.2.0").get(file)) << "another version of anyvisor asks anew";
  touch(plugin_, "new text");
  EXPECT_FALSE(cache.get(inspect_plugin_file(plugin_)));
}

TEST_F(Cache, APluginThatIsReplacedWithinTheSameSizeIsAskedAgain) {
  DescriptorCache cache(folder(), "0.1.0");
  ASSERT_TRUE(cache.put(inspect_plugin_file(plugin_), descriptor_));
  touch(root_ / "install/new", "next");
  fs::rename(root_ / "install/new", plugin_);
  EXPECT_FALSE(cache.get(inspect_plugin_file(plugin_)));
}

TEST_F(Cache, DoesNotKeepFailures) {
  DescriptorCache cache(folder(), "0.1.0");
  json::Document failed;
  failed.Parse(R"({"path":"/x","error":{"kind":"internal","message":"crashed"}})");
  auto file = inspect_plugin_file(plugin_);
  ASSERT_TRUE(cache.put(file, failed));
  EXPECT_FALSE(cache.get(file));
}

TEST_F(Cache, WhateverIsWrongWithItIsAMiss) {
  DescriptorCache cache(folder(), "0.1.0");
  auto file = inspect_plugin_file(plugin_);
  ASSERT_TRUE(cache.put(file, descriptor_));
  const std::string good = [&] {
    std::ifstream stream(only_file());
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }();
  for (const std::string& text : {std::string(), std::string("{"), good.substr(0, good.size() / 2), std::string("[]"),
                                  std::string(R"({"schema":1})"), std::string(100, '\0')}) {
    touch(only_file(), text);
    EXPECT_FALSE(cache.get(file)) << text;
  }
  touch(only_file(), good);
  EXPECT_TRUE(cache.get(file));
}

}  // namespace
}  // namespace anyvisor
