// SPDX-License-Identifier: MIT
#include "instance/identifier.hpp"

#include <gtest/gtest.h>

#include <set>

#include "instance/lookup.hpp"

namespace anyvisor {
namespace {

TEST(Identifier, IdsAreUuidsThatSortByTime) {
  std::string before = new_id();
  EXPECT_TRUE(is_id(before));
  EXPECT_EQ(before[14], '7');
  EXPECT_NE(std::string("89ab").find(before[19]), std::string::npos);
  timespec pause{0, 3'000'000};
  nanosleep(&pause, nullptr);
  EXPECT_LT(before, new_id());
  EXPECT_EQ(new_random_uuid()[14], '4');
  EXPECT_EQ(short_id(before), before.substr(24));
  for (const char* bad : {"", "x", "01234567-89ab-7def-8123-456789abcdeg", "01234567-89ab-7def-8123-456789abcde",
                          "0123456789ab-7def-8123-456789abcdef-", "../../../../../../../../../etc/passw"})
    EXPECT_FALSE(is_id(bad)) << bad;
}

TEST(Identifier, MacsAreLocallyAdministeredUnicast) {
  std::set<std::string> macs;
  for (int i = 0; i < 1000; ++i) macs.insert(new_mac());
  EXPECT_GT(macs.size(), 990u);
  EXPECT_TRUE(macs.begin()->starts_with("52:54:00:"));
  EXPECT_EQ(macs.begin()->size(), 17u);
  std::set<std::uint32_t> cids;
  for (int i = 0; i < 1000; ++i) cids.insert(new_vsock_cid());
  EXPECT_GT(cids.size(), 990u);
  EXPECT_GE(*cids.begin(), 3u);
  EXPECT_LT(*cids.rbegin(), 4294967295u);
}

TEST(Identifier, NamesAreHostnameLabels) {
  for (const std::string& good :
       {std::string("a"), std::string("web"), std::string("Web-1"), std::string("1"), std::string(63, 'x')})
    EXPECT_TRUE(check_name(good)) << good;
  for (const std::string& bad :
       {std::string(), std::string("-a"), std::string("a-"), std::string("a b"), std::string("a.b"), std::string("a_b"),
        std::string("ä"), std::string("../x"), std::string(64, 'x'), std::string("a\n"), new_id()}) {
    auto checked = check_name(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(checked.error().field, "/name");
  }
}

TEST(Identifier, MadeUpNamesAreValidAndFree) {
  std::set<std::string> taken;
  for (int i = 0; i < 5000; ++i) {
    auto name = make_up_name([&](const std::string& candidate) { return taken.contains(candidate); });
    EXPECT_TRUE(check_name(name)) << name;
    EXPECT_TRUE(taken.insert(name).second) << name;
  }
}

TEST(Lookup, ExactBeforePrefixAndAmbiguousIsListed) {
  std::vector<Label> labels = {{"0190a0a0-0000-7000-8000-aaaaaaaaaa01", "web"},
                               {"0190a0a0-0000-7000-8000-aaaaaaaaaa02", "aaaa"},
                               {"0190b0b0-0000-7000-8000-bbbbbbbbbb03", "db"}};
  auto find = [&](const std::string& wanted) { return look_up(wanted, labels, "instance", "hint"); };
  EXPECT_EQ(*find("web"), 0u);
  EXPECT_EQ(*find("aaaa"), 1u);  // an exact name wins over a prefix of ids
  EXPECT_EQ(*find("0190b"), 2u);
  EXPECT_EQ(*find("bbbbbbbbbb03"), 2u);
  EXPECT_EQ(*find("0190a0a0-0000-7000-8000-aaaaaaaaaa02"), 1u);
  auto several = find("0190a");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().kind, ErrorKind::ambiguous);
  EXPECT_NE(several.error().message.find("web (aaaaaaaaaa01), aaaa (aaaaaaaaaa02)"), std::string::npos);
  EXPECT_EQ(find("nope").error().kind, ErrorKind::not_found);
  EXPECT_EQ(find("01").error().kind, ErrorKind::not_found);
  EXPECT_EQ(find("").error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace anyvisor
