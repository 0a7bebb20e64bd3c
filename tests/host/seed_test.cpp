// SPDX-License-Identifier: MIT
// The seed's disk image, as others read it.
#include "seed.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <thread>

#include "host_fixture.hpp"
#include "process/spawn.hpp"
#include "storage/fd.hpp"

namespace host_test {
namespace {

using anyvisor::host::make_seed;
using anyvisor::host::SeedFiles;
using testing::HasSubstr;
using testing::Not;

const std::string secret_line = "-----BEGIN OPENSSH PRIVATE KEY-----\n";

SeedFiles some_files() {
  return {{"meta-data", "instance-id: one\n"},
          {"user-data", "#cloud-config\n" + std::string(300000, 'x') + "\n"},
          {"vendor-data", secret_line},
          {"network-config", ""}};
}

std::map<std::string, std::string> read_back(const std::string& image) {
  std::map<std::string, std::string> files;
  archive* a = archive_read_new();
  archive_read_support_format_iso9660(a);
  EXPECT_EQ(archive_read_open_memory(a, image.data(), image.size()), ARCHIVE_OK) << archive_error_string(a);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string text(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    EXPECT_EQ(archive_read_data(a, text.data(), text.size()), static_cast<la_ssize_t>(text.size()));
    files[archive_entry_pathname(entry)] = text;
    EXPECT_EQ(archive_entry_perm(entry), 0400u);
  }
  archive_read_free(a);
  return files;
}

TEST(Seed, HoldsItsFilesUnderTheirNames) {
  const auto image = make_seed(some_files());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->size() % 2048, 0u);
  const auto found = read_back(*image);
  EXPECT_EQ(found.size(), 4u);
  for (const auto& [name, text] : some_files()) EXPECT_EQ(found.at(name), text) << name;
}

// A guest finds it by its label, by libblkid's rules.
TEST(Seed, IsLabelledCidata) {
  if (!find_program("blkid")) GTEST_SKIP() << "blkid is not on PATH";
  const std::string path = testing::TempDir() + "anyvisor-seed-" + std::to_string(::getpid());
  std::ofstream(path) << make_seed(some_files()).value();
  Command command;
  command.argv = {"blkid", "-p", "-o", "export", path};
  const auto asked = run(command, std::chrono::steady_clock::now() + patience);
  ::unlink(path.c_str());
  ASSERT_TRUE(asked && asked->status == 0);
  EXPECT_THAT(asked->output, HasSubstr("LABEL=cidata\n"));
  EXPECT_THAT(asked->output, HasSubstr("TYPE=iso9660\n"));
}

TEST(Seed, IsTheSameEachTimeAndTellsNothing) {
  const std::string first = make_seed(some_files()).value();
  std::this_thread::sleep_for(milliseconds(1100));  // its format has seconds
  EXPECT_TRUE(make_seed(some_files()).value() == first);
  EXPECT_THAT(first.substr(0, 40960), Not(HasSubstr("libarchive 3")));
}

TEST(Seed, RefusesNamesThatAreNone) {
  for (const char* name : {"", ".", "..", "../x", "a/b", "/x", "with space", ".hidden"}) {
    const auto image = make_seed({{name, "x"}});
    ASSERT_FALSE(image) << name;
    EXPECT_EQ(image.error().kind, ErrorKind::invalid_argument);
  }
}

TEST_F(HostTest, WritesTheSeedOfItsInstance) {
  auto client = connect();
  call(client, "seed.write", R"({"files":{"meta-data":"instance-id: \"one\"\n","user-data":"ü"}})");
  const std::string path = folder_ + "/seed.iso";
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  auto found = read_back(read_file(path).value());
  EXPECT_EQ(found["meta-data"], "instance-id: \"one\"\n");
  EXPECT_EQ(found["user-data"], "ü");
  // Again: replaced.
  call(client, "seed.write", R"({"files":{"meta-data":"two"}})");
  EXPECT_EQ(read_back(read_file(path).value()), (std::map<std::string, std::string>{{"meta-data", "two"}}));

  EXPECT_EQ(error_of(client, "seed.write").kind, ErrorKind::invalid_argument);
  EXPECT_EQ(error_of(client, "seed.write", R"({"files":{}})").kind, ErrorKind::invalid_argument);
  EXPECT_EQ(error_of(client, "seed.write", R"({"files":{"../x":"y"}})").kind, ErrorKind::invalid_argument);
  EXPECT_EQ(error_of(client, "seed.write", R"({"files":{"x":1}})").kind, ErrorKind::invalid_argument);
  EXPECT_EQ(read_back(read_file(path).value()).size(), 1u) << "a refused one leaves the seed as it was";
  auto short_lived = HostClient::start_private(program, {test_backend});
  ASSERT_TRUE(short_lived);
  EXPECT_EQ(error_of(*short_lived, "seed.write", R"({"files":{"x":"y"}})").kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace host_test
