// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "clone/strategy.hpp"

namespace anyvisor {
namespace {

using Formats = std::vector<std::string>;

std::function<Result<Formats>()> takes(Formats formats) {
  return [formats = std::move(formats)]() -> Result<Formats> { return formats; };
}

TEST(CloneStrategy, IsAnOverlayWhereTheBackendTakesThem) {
  for (const char* format : {"qcow2", "raw"}) {
    const auto chosen = choose_strategy(CloneStrategy::automatic, format, takes({"raw", "qcow2"}));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->strategy, CloneStrategy::overlay);
    EXPECT_TRUE(chosen->overlays);
    EXPECT_FALSE(chosen->reason.empty());
  }
}

TEST(CloneStrategy, DoesNotAskABackendWhoseFormatIsSeen) {
  const auto fails = []() -> Result<Formats> { return fail(ErrorKind::internal, "asked"); };
  EXPECT_TRUE(choose_strategy(CloneStrategy::automatic, "qcow2", fails));
  EXPECT_EQ(choose_strategy(CloneStrategy::copy, "raw", fails).error().message, "asked");
}

TEST(CloneStrategy, SharesBlocksOrCopiesWhereTheBackendTakesRawDisksOnly) {
  const auto chosen = choose_strategy(CloneStrategy::automatic, "raw", takes({"raw"}));
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->strategy, CloneStrategy::reflink);
  EXPECT_TRUE(chosen->copy_instead);
  EXPECT_FALSE(chosen->overlays);
  EXPECT_EQ(chosen->format, "raw");
  const auto refused = choose_strategy(CloneStrategy::overlay, "raw", takes({"raw"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(refused.error().field, "/strategy");
}

TEST(CloneStrategy, WhatIsAskedForIsDoneOrFails) {
  for (const auto asked : {CloneStrategy::reflink, CloneStrategy::copy}) {
    const auto chosen = choose_strategy(asked, "raw", takes({"raw"}));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->strategy, asked);
    EXPECT_FALSE(chosen->copy_instead);
  }
}

}  // namespace
}  // namespace anyvisor
