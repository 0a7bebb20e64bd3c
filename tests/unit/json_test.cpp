// SPDX-License-Identifier: MIT
#include "document/json.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace anyvisor {
namespace {

Error error_of(std::string_view text) {
  auto document = json::parse_object(text, "the text");
  return document ? Error{} : document.error();
}

TEST(ErrorKinds, HaveNamesThatLeadBack) {
  for (int number = 0; number <= static_cast<int>(ErrorKind::internal); ++number) {
    const auto kind = static_cast<ErrorKind>(number);
    EXPECT_EQ(kind_from_name(kind_name(kind)), kind) << number;
  }
  EXPECT_EQ(kind_name(ErrorKind::backend_failed), "backend_failed");
  EXPECT_EQ(kind_from_name("of tomorrow"), ErrorKind::internal);
}

TEST(ErrorKinds, FollowFromErrno) {
  EXPECT_EQ(fail_errno("x", ENOENT).value().kind, ErrorKind::not_found);
  EXPECT_EQ(fail_errno("x", EACCES).value().kind, ErrorKind::unavailable);
  EXPECT_EQ(fail_errno("x", EPERM).value().kind, ErrorKind::unavailable);
  EXPECT_EQ(fail_errno("x", ENOSPC).value().kind, ErrorKind::exhausted);
  EXPECT_EQ(fail_errno("x", EDQUOT).value().kind, ErrorKind::exhausted);
  EXPECT_EQ(fail_errno("x", EMFILE).value().kind, ErrorKind::exhausted);
  EXPECT_EQ(fail_errno("x", ENOMEM).value().kind, ErrorKind::exhausted);
  EXPECT_EQ(fail_errno("x", EEXIST).value().kind, ErrorKind::already_exists);
  EXPECT_EQ(fail_errno("x", EIO).value().kind, ErrorKind::internal);
  EXPECT_EQ(fail_errno("cannot read \"x\"", ENOENT).value().message, "cannot read \"x\": No such file or directory");
}

TEST(ParseObject, ReadsAnObject) {
  auto document = json::parse_object(R"( {"a":1,"b":"ü","c":[{}],"big":18446744073709551615} )", "the text");
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(json::uint_or(*document, "a", 0), 1u);
  EXPECT_EQ(json::string_or(*document, "b"), "ü");
  EXPECT_EQ(json::uint_or(*document, "big", 0), 18446744073709551615u);
}

TEST(ParseObject, SaysWhereItIsWrong) {
  const auto error = error_of(R"({"a":1,})");
  EXPECT_EQ(error.kind, ErrorKind::invalid_argument);
  EXPECT_NE(error.message.find("the text"), std::string::npos);
  EXPECT_NE(error.message.find("byte 7"), std::string::npos) << error.message;
}

TEST(ParseObject, RefusesWhatIsNoObject) {
  for (const char* text : {"", " ", "[]", "1", "null", "\"x\"", "{", "{}{}", "{} x", "{'a':1}", "{\"a\":NaN}", "{a:1}"})
    EXPECT_FALSE(json::parse_object(text, "the text")) << text;
  EXPECT_FALSE(json::parse_object(std::string_view("{}\0{}", 5), "the text"));
  EXPECT_FALSE(json::parse_object(std::string_view("{\"a\":\"\0\"}", 9), "the text"));
}

TEST(ParseObject, RefusesMalformedUtf8) {
  for (const char* text : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80"})
    EXPECT_FALSE(json::parse_object("{\"a\":\"" + std::string(text) + "\"}", "the text")) << text;
}

std::string nested(std::size_t depth) {
  std::string text = "{\"a\":";
  text += std::string(depth - 1, '[') + std::string(depth - 1, ']');
  return text + "}";
}

TEST(ParseObject, LimitsNestingButNotBracketsInStrings) {
  EXPECT_TRUE(json::parse_object(nested(64), "the text"));
  EXPECT_FALSE(json::parse_object(nested(65), "the text"));
  EXPECT_FALSE(json::parse_object(nested(2'000'000), "the text"));
  const std::string brackets = std::string(1000, '[') + "\\\"" + std::string(1000, '{');
  EXPECT_TRUE(json::parse_object("{\"a\":\"" + brackets + "\"}", "the text"));
}

TEST(ParseObject, LimitsTheSize) {
  const std::string head = "{\"a\":\"", tail = "\"}";
  const std::size_t limit = 4u << 20;
  const std::string fits = head + std::string(limit - head.size() - tail.size(), 'x') + tail;
  EXPECT_TRUE(json::parse_object(fits, "the text"));
  const auto error = error_of(fits + " ");
  EXPECT_EQ(error.kind, ErrorKind::invalid_argument);
  EXPECT_NE(error.message.find("too large"), std::string::npos);
}

TEST(RequireMember, NamesTheField) {
  auto document = json::parse_object(R"({"text":"x","number":7,"negative":-1})", "the text");
  ASSERT_TRUE(document);
  EXPECT_EQ(json::require_string(*document, "text").value(), "x");
  EXPECT_EQ(json::require_uint(*document, "number").value(), 7u);
  EXPECT_EQ(json::require_string(*document, "number").error().field, "/number");
  EXPECT_EQ(json::require_string(*document, "absent").error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(json::require_uint(*document, "negative").error().field, "/negative");
}

TEST(ErrorDocument, GoesThereAndBack) {
  Error error;
  error.kind = ErrorKind::already_exists;
  error.message = "instance \"x\" already exists";
  error.field = "/name";
  error.hint = "choose another";
  error.retry = true;
  const Error back = json::to_error(json::from_error(error));
  EXPECT_EQ(back.kind, error.kind);
  EXPECT_EQ(back.message, error.message);
  EXPECT_EQ(back.field, error.field);
  EXPECT_EQ(back.hint, error.hint);
  EXPECT_TRUE(back.retry);
}

TEST(ErrorDocument, LeavesOutWhatIsEmptyAndIsAlwaysReadable) {
  Error error;
  error.message = "qemu said \xff\xfe";
  const auto document = json::from_error(error);
  EXPECT_EQ(json::find(document, "hint"), nullptr);
  EXPECT_EQ(json::find(document, "field"), nullptr);
  EXPECT_TRUE(json::parse_object(json::render(document), "the error"));
}

TEST(ValidUtf8, ReplacesWhatIsMalformedAndNothingElse) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(json::valid_utf8(""), "");
  EXPECT_EQ(json::valid_utf8("plain\n"), "plain\n");
  EXPECT_EQ(json::valid_utf8("ü€𝄞"), "ü€𝄞");
  EXPECT_EQ(json::valid_utf8("a\xff"
                             "b"),
            "a" + r + "b");
  EXPECT_EQ(json::valid_utf8("\xc0\xaf"), r + r);          // overlong
  EXPECT_EQ(json::valid_utf8("\xed\xa0\x80"), r + r + r);  // a surrogate
  EXPECT_EQ(json::valid_utf8("\xe2\x82"), r);              // cut off
  EXPECT_EQ(json::valid_utf8("\xf0\x9d\x84x"), r + "x");
  EXPECT_EQ(json::valid_utf8("\xf4\x90\x80\x80"), r + r + r + r);  // over U+10FFFF
}

// Every pair and triple of interesting bytes: what comes out is what our own parser takes.
TEST(ValidUtf8, AlwaysSatisfiesTheParser) {
  const unsigned char bytes[] = {'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2,
                                 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
  for (const unsigned char a : bytes)
    for (const unsigned char b : bytes)
      for (const unsigned char c : bytes) {
        const std::string raw{static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        auto document = json::make_object();
        json::set(document, document, "text", json::valid_utf8(raw));
        ASSERT_TRUE(json::parse_object(json::render(document), "the text")) << int(a) << " " << int(b) << " " << int(c);
      }
}

}  // namespace
}  // namespace anyvisor
