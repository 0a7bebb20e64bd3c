// SPDX-License-Identifier: MIT
// Text for terminals, tables, sizes, published ports.
#include "output/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arguments.hpp"
#include "commands/publish.hpp"
#include "errors.hpp"
#include "output/table.hpp"

namespace anyvisor::cli {
namespace {

using testing::HasSubstr;

TEST(Text, LetsNoControlCharacterThrough) {
  EXPECT_EQ(printable("plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7"), "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7");
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\xef\xbf\xbd[2Jb");
  EXPECT_EQ(printable("\xc2\x9b"), "\xef\xbf\xbd") << "CSI as one C1 character";
  EXPECT_EQ(printable("\xe2\x80\xae"), "\xef\xbf\xbd") << "right-to-left override";
  EXPECT_EQ(printable("\xff\xc0\xaf\xed\xa0\x80"),
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")
      << "no UTF-8, overlong, surrogate";
  EXPECT_EQ(one_line("first\r\nsecond\n"), "first; second");
}

TEST(Text, CleansAConsole) {
  EXPECT_EQ(plain_console("\x1b[0;32m[  OK  ]\x1b[0m Started\r\n"), "[  OK  ] Started\n");
  EXPECT_EQ(plain_console("\x1b]0;title\aok\x1b]52;c;cHdu\x1b\\!"), "ok!");
  EXPECT_EQ(plain_console("\x1b"
                          "c\x1b(B\x1bPq#0\x1b\\done\b\a"),
            "done");
  EXPECT_EQ(plain_console("\x1b]0;never ended\nnext line"), "\nnext line")
      << "a broken sequence must not swallow the log";
  EXPECT_EQ(plain_console("end\x1b["), "end");
  EXPECT_EQ(plain_console("\x9b"
                          "31m"),
            "\xef\xbf\xbd"
            "31m");
}

TEST(Text, MeasuresWhatATerminalShows) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("\xc3\xa4"), 1U);
  EXPECT_EQ(display_width("a\xcc\x88"), 1U) << "combining";
  EXPECT_EQ(display_width("\xe6\xbc\xa2"), 2U) << "wide";
}

TEST(Text, SaysSizesDurationsAndTimes) {
  EXPECT_EQ(human_size(0), "0 bytes");
  EXPECT_EQ(human_size(1023), "1023 bytes");
  EXPECT_EQ(human_size(1ULL << 30), "1.0 GiB");
  EXPECT_EQ(human_size(512ULL << 20), "512 MiB");
  EXPECT_EQ(human_size((1ULL << 30) - 1), "1.0 GiB");
  EXPECT_EQ(human_size(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(human_duration(1234), "1.2 ms");
  EXPECT_EQ(human_duration(123456), "123 ms");
  EXPECT_EQ(human_duration(3'400'000), "3.4 s");
  EXPECT_EQ(human_duration(125'000'000), "2 min 5 s");
  EXPECT_EQ(human_time("2026-11-21T10:00:00.123Z"), "2026-11-21 10:00:00 UTC");
  EXPECT_EQ(human_time(""), "");
}

TEST(Table, AlignsColumns) {
  Table table({"NAME", "STATE", "IMAGE"});
  table.add({"\xe6\xbc\xa2", "Running", ""});
  table.add({"longer-name", "a\nb\x1b", "x"});
  EXPECT_EQ(table.render(),
            "NAME         STATE    IMAGE\n"
            "\xe6\xbc\xa2           Running  -\n"
            "longer-name  a; b\xef\xbf\xbd    x\n");
  EXPECT_EQ(render_fields({{"Name", "x"}, {"Empty", ""}, {"Network", "net0"}, {"", "more"}}),
            "Name:     x\n"
            "Network:  net0\n"
            "          more\n");
}

TEST(Size, ReadsUnits) {
  const std::pair<const char*, std::uint64_t> good[] = {
      {"512M", 512ULL << 20},
      {"1G", 1ULL << 30},
      {"1GiB", 1ULL << 30},
      {"1gb", 1ULL << 30},
      {"2.5G", 5ULL << 29},
      {"64K", 64ULL << 10},
      {"2T", 2ULL << 40},
      {"1048576", 1ULL << 20},
      {"7B", 7},
      {"0", 0},
      {"0.5K", 512},
      {"1.3G", 1331ULL << 20},
  };
  for (const auto& [text, expected] : good) {
    std::uint64_t bytes = ~0ULL;
    EXPECT_TRUE(parse_size(text, bytes)) << text;
    EXPECT_EQ(bytes, expected) << text;
  }
  for (const char* text : {"", "G", "12Q", "1.5", "-1G", "1 G", "1GG", "1..5G", ".G", "99999999999999T", "1.5.5G",
                           "0x10", "1e3M", "nanG"}) {
    std::uint64_t bytes = 0;
    EXPECT_FALSE(parse_size(text, bytes)) << text;
  }
}

TEST(Publish, ReadsEveryForm) {
  EXPECT_EQ(describe(parse_publish("8080:80")), "127.0.0.1:8080 -> 80/tcp");
  EXPECT_EQ(describe(parse_publish("0.0.0.0:53:5353/udp")), "0.0.0.0:53 -> 5353/udp");
  EXPECT_EQ(describe(parse_publish("[::1]:80:8080/tcp")), "[::1]:80 -> 8080/tcp");
  EXPECT_EQ(describe(parse_publish("0:22")), "127.0.0.1:any -> 22/tcp");
  const std::pair<const char*, const char*> bad[] = {
      {"80", "names one port"},        {"", "names one port"},         {"80:", "guest port is missing"},
      {":80", "host port is missing"}, {"80:0", "must be 1 to 65535"}, {"65536:80", "no port number"},
      {"a:80", "no port number"},      {"80:80/sctp", "no protocol"},  {":80:80", "the address is empty"},
      {"-1:80", "no port number"},
  };
  for (const auto& [text, message] : bad) try {
      parse_publish(text);
      ADD_FAILURE() << text;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.message, HasSubstr(message)) << text;
    }
}

TEST(Errors, GiveEveryKindACodeOfItsOwn) {
  std::vector<int> codes;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind)
    codes.push_back(exit_code(static_cast<ErrorKind>(kind)));
  std::ranges::sort(codes);
  EXPECT_EQ(std::ranges::adjacent_find(codes), codes.end());
  EXPECT_GT(codes.front(), exit_usage);
}

}  // namespace
}  // namespace anyvisor::cli
