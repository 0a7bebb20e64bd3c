// SPDX-License-Identifier: MIT
// Placeholders are found where they stand, and nothing is believed that is found twice, in part or not at all.
#include "clone/slots.hpp"

#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

constexpr std::uint64_t size = 64ULL << 20;

class SlotsTest : public ::testing::Test {
 protected:
  // An overlay with one text at each position; the rest of its clusters is 'x'.
  std::string write(const std::vector<std::pair<std::uint64_t, std::string>>& texts) {
    std::map<std::uint64_t, std::string> bytes;
    for (const auto& [position, text] : texts)
      for (std::size_t i = 0; i < text.size(); ++i) {
        auto& cluster = bytes[(position + i) / overlay_cluster * overlay_cluster];
        if (cluster.empty()) cluster.assign(overlay_cluster, 'x');
        cluster[(position + i) % overlay_cluster] = text[i];
      }
    std::vector<OverlayCluster> clusters;
    for (auto& [offset, content] : bytes) clusters.push_back({offset, std::move(content)});
    const std::string path = folder_ / ("overlay" + std::to_string(++count_));
    auto written = write_overlay(path, {"base.raw", "raw", size}, clusters);
    EXPECT_TRUE(written) << written.error().message;
    return path;
  }
  static SoughtSlot sought(const std::string& text, const std::string& placeholder, std::uint64_t position) {
    return {{"unit", "/etc/file", text, placeholder.size(), position}, placeholder};
  }

  test::TemporaryFolder folder_;
  int count_ = 0;
  const std::string placeholder_ = "0123456789abcdef0123456789abcdef-and-more\n";
};

TEST_F(SlotsTest, AreFoundAlsoAcrossClusters) {
  for (std::uint64_t position : {std::uint64_t{4096}, 3 * overlay_cluster - 7, size - placeholder_.size()}) {
    auto slots = find_slots(write({{position, placeholder_}}), {sought("{a}\n", placeholder_, position)});
    ASSERT_TRUE(slots) << slots.error().message;
    EXPECT_EQ(slots->at(0).position, position);
  }
}

TEST_F(SlotsTest, AreNotBelievedWhenInDoubt) {
  const auto refused = [&](const std::string& path) {
    auto slots = find_slots(path, {sought("{a}\n", placeholder_, 4096)});
    return !slots && slots.error().kind == ErrorKind::unsupported;
  };
  EXPECT_TRUE(refused(write({{4096, "something else"}}))) << "nowhere";
  EXPECT_TRUE(refused(write({{4096, placeholder_}, {9 * overlay_cluster, placeholder_}}))) << "twice, as in a journal";
  EXPECT_TRUE(refused(write({{4096, placeholder_}, {8192, placeholder_.substr(0, 30)}}))) << "once more in part";
  EXPECT_TRUE(refused(write({{4096, placeholder_.substr(0, 20)}, {9 * overlay_cluster, placeholder_.substr(20)}})))
      << "in two pieces";
  EXPECT_TRUE(refused(write({{8192, placeholder_}}))) << "elsewhere than the file system says";
}

TEST_F(SlotsTest, AreNotBelievedOnAJournalWithWorkInIt) {
  constexpr std::uint64_t superblock = 1024 + 9 * overlay_cluster;
  const auto left_with = [&](const std::string& magic, char features) {
    std::string block(1024, '\0');
    block.replace(0x38, magic.size(), magic);
    block[0x60] = features;
    return write({{4096, placeholder_}, {superblock, block}});
  };
  const std::string magic = "\x53\xef";
  EXPECT_TRUE(check_journals(left_with(magic, 0x42), {superblock}));
  EXPECT_FALSE(check_journals(left_with(magic, 0x46), {superblock})) << "needs_recovery";
  EXPECT_FALSE(check_journals(left_with("xx", 0x42), {superblock})) << "there is no superblock";
  EXPECT_TRUE(check_journals(left_with(magic, 0x46), {64 * overlay_cluster + 1024})) << "one that was not written to";
}

TEST_F(SlotsTest, AreFilledInPlace) {
  const std::uint64_t position = 3 * overlay_cluster - 5;
  const std::string path = write({{position, placeholder_}, {20 * overlay_cluster, "another cluster"}});
  auto slots = find_slots(path, {sought("name {hostname} {unknown}\n", placeholder_, position)});
  ASSERT_TRUE(slots);
  auto clusters = clusters_of(path, *slots);
  ASSERT_TRUE(clusters);
  ASSERT_EQ(clusters->size(), 2u) << "only those in which the slot stands";
  ASSERT_TRUE(fill_slots(*clusters, *slots, {{"hostname", "web"}}));
  std::string seen = clusters->at(0).bytes.substr(overlay_cluster - 6) + clusters->at(1).bytes.substr(0, 40);
  const std::string content = "name web {unknown}\n";
  EXPECT_EQ(seen, "x" + content + std::string(placeholder_.size() - content.size(), '\n') + "xxx");
}

TEST_F(SlotsTest, RefuseWhatDoesNotFit) {
  Slot slot{"hostname", "/etc/hostname", "{hostname}\n", 8, 0};
  EXPECT_EQ(*content_of(slot, {{"hostname", "web"}}), "web\n\n\n\n\n");
  EXPECT_EQ(content_of(slot, {{"hostname", "a-long-name"}}).error().kind, ErrorKind::internal);
  slot.text = "{key}";
  EXPECT_FALSE(content_of(slot, {{"key", "short"}})) << "only a text that ends its line may be filled up with newlines";
}

}  // namespace
}  // namespace anyvisor
