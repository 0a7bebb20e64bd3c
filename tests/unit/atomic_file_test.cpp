// SPDX-License-Identifier: MIT
#include "storage/atomic_file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "storage/fd.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using test::entries_in;
using test::TemporaryFolder;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

TEST(WriteFileAtomically, MakesAndReplaces) {
  TemporaryFolder folder;
  for (const std::string text : {"first", "", "second and longer"}) {
    const auto written = write_file_atomically(folder.path(), "x.json", text, "test.write");
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(read_file(folder / "x.json").value(), text);
  }
  EXPECT_EQ(mode_of(folder / "x.json"), 0600u);
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(WriteFileAtomically, LeavesNothingWhenItFails) {
  TemporaryFolder folder;
  EXPECT_EQ(write_file_atomically(folder / "absent", "x", "text", "test.write").error().kind, ErrorKind::not_found);
  // A folder in the file's place: everything works but the rename.
  std::filesystem::create_directory(folder / "x");
  const auto written = write_file_atomically(folder.path(), "x", "text", "test.write");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find(folder / "x"), std::string::npos) << written.error().message;
  EXPECT_EQ(entries_in(folder.path()), 1u);
  EXPECT_FALSE(write_file_atomically(folder.path(), std::string(300, 'n'), "text", "test.write"));
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(WriteFileAtomically, IsWholeForReadersAndConcurrentWriters) {
  TemporaryFolder folder;
  const std::string a(20'000, 'a'), b(30'000, 'b');
  ASSERT_TRUE(write_file_atomically(folder.path(), "x", a, "test.write"));
  std::atomic<bool> done{false};
  const auto write_often = [&](const std::string& text) {
    for (int n = 0; n < 20; ++n) EXPECT_TRUE(write_file_atomically(folder.path(), "x", text, "test.write"));
  };
  std::thread reader([&] {
    while (!done) {
      const auto text = read_file(folder / "x");
      ASSERT_TRUE(text) << text.error().message;
      ASSERT_TRUE(*text == a || *text == b) << text->size();
    }
  });
  std::thread first(write_often, a), second(write_often, b);
  first.join();
  second.join();
  done = true;
  reader.join();
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(WriteFileAtomically, IsWholeWhenTheWriterIsKilled) {
  TemporaryFolder folder;
  const std::string old_text(50'000, 'o'), new_text(70'000, 'n');
  ASSERT_TRUE(write_file_atomically(folder.path(), "x", old_text, "test.write"));
  for (int round = 0; round < 20; ++round) {
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      while (true) {
        if (!write_file_atomically(folder.path(), "x", new_text, "test.write")) ::_exit(1);
        if (!write_file_atomically(folder.path(), "x", old_text, "test.write")) ::_exit(1);
      }
    }
    ::usleep(static_cast<useconds_t>(500 + round * 300));
    ::kill(writer, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto text = read_file(folder / "x");
    ASSERT_TRUE(text);
    ASSERT_TRUE(*text == old_text || *text == new_text) << text->size();
  }
  ASSERT_TRUE(remove_stale_temporaries(folder.path(), "test.sweep"));
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(RemoveStaleTemporaries, TakesOnlyWhatDeadWritersLeft) {
  TemporaryFolder folder;
  const pid_t ended = ::fork();
  ASSERT_GE(ended, 0);
  if (ended == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(ended, nullptr, 0), ended);
  const std::string dead = std::to_string(ended), alive = std::to_string(::getpid());
  for (const std::string& name : {".x." + dead + ".3.tmp", ".process.json." + dead + ".0.tmp"})
    std::ofstream(folder / name);
  for (const std::string& name :
       {".x." + alive + ".3.tmp", "x." + dead + ".3.tmp", ".x." + dead + ".3", ".x." + dead + ".tmp",
        std::string(".tmp"), std::string(".x.-1.0.tmp"), std::string("x.json")})
    std::ofstream(folder / name);
  ASSERT_TRUE(remove_stale_temporaries(folder.path(), "test.sweep"));
  EXPECT_EQ(entries_in(folder.path()), 7u);
  EXPECT_FALSE(std::filesystem::exists(folder / (".x." + dead + ".3.tmp")));
  EXPECT_TRUE(remove_stale_temporaries(folder / "absent", "test.sweep"));
}

TEST(ReadFile, HasALimitAndKnowsWhatIsMissing) {
  TemporaryFolder folder;
  std::ofstream(folder / "x") << std::string(5000, 'x');
  EXPECT_EQ(read_file(folder / "x", 5000).value().size(), 5000u);
  EXPECT_EQ(read_file(folder / "x", 4999).error().kind, ErrorKind::exhausted);
  EXPECT_EQ(read_file(folder / "y").error().kind, ErrorKind::not_found);
  EXPECT_FALSE(read_file(folder.path()));
  // Whoever replaces a file by a FIFO cannot make us wait for ever.
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder / "fifo").value_or("?"), "");
}

TEST(RemoveFileDurably, TakesAMissingFileAsRemoved) {
  TemporaryFolder folder;
  std::ofstream(folder / "x") << "x";
  EXPECT_TRUE(remove_file_durably(folder.path(), "x", "test.remove"));
  EXPECT_EQ(entries_in(folder.path()), 0u);
  EXPECT_TRUE(remove_file_durably(folder.path(), "x", "test.remove"));
  EXPECT_TRUE(remove_file_durably(folder / "absent", "x", "test.remove"));
}

TEST(RenameDurably, NeverReplaces) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a/one");
  std::filesystem::create_directories(folder / "b");
  ASSERT_TRUE(rename_durably(folder / "a/one", folder / "b/one", "test.rename"));
  EXPECT_TRUE(std::filesystem::is_directory(folder / "b/one"));
  std::filesystem::create_directories(folder / "a/one");
  EXPECT_EQ(rename_durably(folder / "a/one", folder / "b/one", "test.rename").error().kind, ErrorKind::already_exists);
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/one"));
  EXPECT_EQ(rename_durably(folder / "a/two", folder / "b/two", "test.rename").error().kind, ErrorKind::not_found);
}

TEST(MakeFolderDurably, MakesPrivateFoldersAllTheWay) {
  TemporaryFolder folder;
  ASSERT_TRUE(make_folder_durably(folder / "a/b/c/", "test.make"));
  for (const char* name : {"a", "a/b", "a/b/c"}) EXPECT_EQ(mode_of(folder / name), 0700u) << name;
  EXPECT_TRUE(make_folder_durably(folder / "a/b/c", "test.make"));
  std::ofstream(folder / "file") << "x";
  EXPECT_EQ(make_folder_durably(folder / "file", "test.make").error().kind, ErrorKind::already_exists);
  EXPECT_FALSE(make_folder_durably(folder / "file/x", "test.make"));
  // A link that leads nowhere is not followed to make what it names.
  std::filesystem::create_symlink(folder / "elsewhere", folder / "link");
  EXPECT_FALSE(make_folder_durably(folder / "link", "test.make"));
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
}

TEST(RemoveTreeDurably, RemovesAllOfItAndFollowsNoLink) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "outside");
  std::ofstream(folder / "outside/kept") << "x";
  std::filesystem::create_directories(folder / "tree/a/b");
  std::ofstream(folder / "tree/a/b/file") << "x";
  std::ofstream(folder / "tree/.hidden") << "x";
  std::filesystem::create_directory_symlink(folder / "outside", folder / "tree/link");
  std::filesystem::create_symlink("nowhere", folder / "tree/dangling");
  const auto removed = remove_tree_durably(folder / "tree/", "test.remove");
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(std::filesystem::exists(folder / "tree"));
  EXPECT_TRUE(std::filesystem::exists(folder / "outside/kept"));
  // The tree's own name may be a link: then the link goes.
  std::filesystem::create_directory_symlink(folder / "outside", folder / "tree");
  ASSERT_TRUE(remove_tree_durably(folder / "tree", "test.remove"));
  EXPECT_FALSE(std::filesystem::is_symlink(folder / "tree"));
  EXPECT_TRUE(std::filesystem::exists(folder / "outside/kept"));
  EXPECT_TRUE(remove_tree_durably(folder / "tree", "test.remove"));
  EXPECT_TRUE(remove_tree_durably(folder / "absent/tree", "test.remove"));
  EXPECT_FALSE(remove_tree_durably(folder / "..", "test.remove"));
  EXPECT_FALSE(remove_tree_durably("/", "test.remove"));
}

}  // namespace
}  // namespace anyvisor
