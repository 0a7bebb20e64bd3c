// SPDX-License-Identifier: MIT
// Overlays that are written here, as the real qemu-img and qemu-io see them.
#include "storage/qcow2_overlay.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <tuple>

#include "document/json.hpp"
#include "process/spawn.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

class Qcow2Overlay : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!find_program("qemu-img") || !find_program("qemu-io")) GTEST_SKIP() << "qemu-img or qemu-io is not installed";
  }

  std::string path(const std::string& name) const { return folder_ / name; }
  void make_raw(const std::string& name, std::uint64_t size) {
    std::ofstream(path(name)).close();
    std::filesystem::resize_file(path(name), size);
  }
  static Captured run_tool(std::vector<std::string> argv) {
    Command command;
    command.argv = std::move(argv);
    auto ran = run(command, std::chrono::steady_clock::now() + std::chrono::seconds(30));
    EXPECT_TRUE(ran) << ran.error().message;
    return ran ? *ran : Captured{-1, {}, {}};
  }
  // A tool that has to succeed; what it printed.
  static std::string output_of(std::vector<std::string> argv) {
    auto ran = run_tool(std::move(argv));
    EXPECT_EQ(ran.status, 0) << ran.output << ran.errors;
    return ran.output;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Qcow2Overlay, TellsHowLargeItIsAlsoOnceItHasGrown) {
  make_raw("base.raw", 1 << 20);
  ASSERT_TRUE(write_overlay(path("disk.qcow2"), {"base.raw", "raw", 1 << 20}, {}));
  EXPECT_EQ(virtual_size_of(path("disk.qcow2"), "qcow2").value(), 1u << 20);
  output_of({"qemu-img", "resize", "-q", "-f", "qcow2", path("disk.qcow2"), "5000M"});
  EXPECT_EQ(virtual_size_of(path("disk.qcow2"), "qcow2").value(), 5000ULL << 20);
  EXPECT_EQ(virtual_size_of(path("base.raw"), "raw").value(), 1u << 20);
  EXPECT_EQ(virtual_size_of(path("base.raw"), "qcow2").error().kind, ErrorKind::corrupted);
  EXPECT_FALSE(virtual_size_of(path("nowhere"), "qcow2"));
}

TEST_F(Qcow2Overlay, IsWhatQemuImgMakes) {
  constexpr std::uint64_t mebibyte = 1 << 20;
  for (std::uint64_t size :
       {mebibyte, 512 * mebibyte, 512 * mebibyte + 512, 3000 * mebibyte, 10 * mebibyte * mebibyte}) {
    SCOPED_TRACE(size);
    make_raw("base.raw", size);
    std::filesystem::remove(path("ours.qcow2"));
    auto written = write_overlay(path("ours.qcow2"), {"base.raw", "raw", size}, {});
    ASSERT_TRUE(written) << written.error().message;
    output_of({"qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", path("theirs.qcow2")});
    output_of({"qemu-img", "check", "-q", path("ours.qcow2")});
    auto describe = [&](const std::string& name) {
      auto document = json::parse_object(output_of({"qemu-img", "info", "--output=json", path(name)}), "qemu-img info");
      EXPECT_TRUE(document);
      if (!document) return std::string();
      return json::string_or(*document, "format") + " " + std::to_string(json::uint_or(*document, "virtual-size", 0)) +
             " " + std::to_string(json::uint_or(*document, "cluster-size", 0)) + " " +
             json::string_or(*document, "backing-filename") + " " +
             json::string_or(*document, "backing-filename-format") + " " +
             json::string_or(*document, "full-backing-filename");
    };
    EXPECT_EQ(describe("ours.qcow2"), describe("theirs.qcow2"));
    struct stat status {};
    ASSERT_EQ(stat(path("ours.qcow2").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
    EXPECT_LE(status.st_blocks * 512, 256 << 10) << "it is as sparse as it can be";
  }
}

TEST_F(Qcow2Overlay, TakesWritesAndShowsTheBackingFileElsewhere) {
  constexpr std::uint64_t size = 1536ULL << 20;
  make_raw("base.raw", size);
  output_of({"qemu-io", "-f", "raw", "-c", "write -P 17 0 1M", "-c", "write -P 34 1535M 1M", path("base.raw")});
  ASSERT_TRUE(write_overlay(path("top.qcow2"), {"base.raw", "raw", size}, {}));
  output_of({"qemu-img", "compare", "-q", path("top.qcow2"), path("base.raw")});
  output_of({"qemu-io", "-f", "qcow2", "-c", "write -P 51 900M 5M", "-c", "write -P 68 1535M 4k", path("top.qcow2")});
  output_of({"qemu-img", "check", "-q", path("top.qcow2")});
  const std::string seen = output_of({"qemu-io", "-r", "-f", "qcow2", "-c", "read -P 17 0 1M", "-c",
                                      "read -P 51 900M 5M", "-c", "read -P 68 1535M 4k", "-c",
                                      "read -P 34 1571844k 1020k", "-c", "read -P 0 10M 1M", path("top.qcow2")});
  EXPECT_EQ(seen.find("Pattern verification failed"), std::string::npos) << seen;
}

TEST_F(Qcow2Overlay, HoldsTheClustersThatItIsGiven) {
  constexpr std::uint64_t size = 3000ULL << 20;
  make_raw("base.raw", size);
  std::vector<OverlayCluster> clusters;
  for (std::uint64_t number : std::vector<std::uint64_t>{0, 1, 8191, 8192, 40000, size / overlay_cluster - 1})
    clusters.push_back({number * overlay_cluster, std::string(overlay_cluster, static_cast<char>(number % 200 + 1))});
  auto written = write_overlay(path("top.qcow2"), {"base.raw", "raw", size}, clusters);
  ASSERT_TRUE(written) << written.error().message;
  output_of({"qemu-img", "check", "-q", path("top.qcow2")});
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const std::string pattern = std::to_string(static_cast<unsigned char>(clusters[i].bytes[0]));
    const std::string seen =
        output_of({"qemu-io", "-r", "-f", "qcow2", "-c",
                   "read -P " + pattern + " " + std::to_string(clusters[i].offset) + " 64k", path("top.qcow2")});
    EXPECT_EQ(seen.find("Pattern verification failed"), std::string::npos) << seen;
  }
  auto read = read_overlay(path("top.qcow2"), 100);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), clusters.size());
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    EXPECT_EQ(read->at(i).offset, clusters[i].offset);
    EXPECT_TRUE(read->at(i).bytes == clusters[i].bytes) << i;
  }
  EXPECT_EQ(read_overlay(path("top.qcow2"), 3).error().kind, ErrorKind::exhausted);
  std::swap(clusters[0], clusters[1]);
  EXPECT_EQ(write_overlay(path("other.qcow2"), {"base.raw", "raw", size}, clusters).error().kind,
            ErrorKind::invalid_argument);
}

TEST_F(Qcow2Overlay, IsReadAsQemuHasWrittenIt) {
  constexpr std::uint64_t size = 1100ULL << 20;
  make_raw("base.raw", size);
  ASSERT_TRUE(write_overlay(path("top.qcow2"), {"base.raw", "raw", size}, {}));
  EXPECT_TRUE(*overlay_is_empty(path("top.qcow2")));
  // Opened for writing and nothing written: as empty as before. Zeroes from a discard hold nothing either.
  output_of({"qemu-io", "-f", "qcow2", "-c", "read 0 512", path("top.qcow2")});
  EXPECT_TRUE(*overlay_is_empty(path("top.qcow2")));
  output_of({"qemu-io", "-f", "qcow2", "-c", "write -P 7 1000M 4k", "-c", "write -z 10M 1M", path("top.qcow2")});
  EXPECT_FALSE(*overlay_is_empty(path("top.qcow2")));
  auto read = read_overlay(path("top.qcow2"), 100);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ(read->at(0).offset, 1000ULL << 20);
  EXPECT_EQ(read->at(0).bytes[4095], 7);
  EXPECT_EQ(read->at(0).bytes[4096], 0);
  output_of({"qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", "-b", "base.raw", "-F", "raw",
             path("small.qcow2")});
  EXPECT_EQ(read_overlay(path("small.qcow2"), 100).error().kind, ErrorKind::unsupported);
  EXPECT_EQ(overlay_is_empty(path("base.raw")).error().kind, ErrorKind::corrupted);
}

TEST_F(Qcow2Overlay, IsOverwrittenInPlace) {
  constexpr std::uint64_t size = 1100ULL << 20, cluster = 1 << 16;
  constexpr std::uint64_t across = (1000ULL << 20) + cluster - 3;
  for (const std::string format : {"qcow2", "raw"}) {
    const std::string file = path("disk." + format);
    output_of({"qemu-img", "create", "-q", "-f", format, file, std::to_string(size)});
    output_of({"qemu-io", "-f", format, "-c", "write -P 7 1000M 128k", "-c", "write -z 900M 64k", file});
    const auto before = std::filesystem::file_size(file);
    ASSERT_TRUE(overwrite_in_place(file, format, across, "across"));
    EXPECT_EQ(std::filesystem::file_size(file), before);
    for (const auto& [pattern, at, length] : {std::tuple{"0x61", across, 1ULL},
                                              {"0x73", across + 5, 1ULL},
                                              {"7", across + 6, cluster - 3},
                                              {"7", 1000ULL << 20, cluster - 3}}) {
      const std::string seen = output_of(
          {"qemu-io", "-r", "-f", format, "-c",
           std::string("read -P ") + pattern + " " + std::to_string(at) + " " + std::to_string(length), file});
      EXPECT_EQ(seen.find("Pattern verification failed"), std::string::npos) << format << " at " << at << seen;
    }
    EXPECT_FALSE(overwrite_in_place(file, format, size - 1, "xy")) << "beyond its end";
  }
  output_of({"qemu-img", "check", "-q", path("disk.qcow2")});
  // Where it has nothing of its own, or what others may share, there is no place.
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{900} << 20, across + 2 * cluster})
    EXPECT_EQ(overwrite_in_place(path("disk.qcow2"), "qcow2", at, "x").error().kind, ErrorKind::unsupported) << at;
  output_of({"qemu-img", "convert", "-c", "-O", "qcow2", path("disk.qcow2"), path("small.qcow2")});
  EXPECT_EQ(overwrite_in_place(path("small.qcow2"), "qcow2", across, "x").error().kind, ErrorKind::unsupported);
  output_of({"qemu-img", "snapshot", "-c", "one", path("disk.qcow2")});
  EXPECT_EQ(overwrite_in_place(path("disk.qcow2"), "qcow2", across, "x").error().kind, ErrorKind::unsupported);
}

TEST_F(Qcow2Overlay, RefusesWhatTheFormatHasNoRoomFor) {
  const std::string file = path("top.qcow2");
  EXPECT_EQ(write_overlay(file, {"base.raw", "raw", 0}, {}).error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(write_overlay(file, {"base.raw", "raw", 1ULL << 62}, {}).error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(write_overlay(file, {"/etc/passwd", "raw", 512}, {}).error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(write_overlay(file, {"base.vmdk", "vmdk", 512}, {}).error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(write_overlay(file, {std::string(1024, 'x'), "raw", 512}, {}).error().kind, ErrorKind::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(file));
  std::ofstream(file) << "mine";
  EXPECT_EQ(write_overlay(file, {"base.raw", "raw", 512}, {}).error().kind, ErrorKind::already_exists);
  EXPECT_EQ(std::filesystem::file_size(file), 4u) << "what is there stays";
}

}  // namespace
}  // namespace anyvisor
