// SPDX-License-Identifier: MIT
#include "document/json.hpp"

#include <rapidjson/error/en.h>

namespace anyvisor::json {

namespace {

constexpr std::size_t largest_document = 4u << 20;
constexpr int deepest_nesting = 64;

// Offset of the first bracket that nests too deep, or npos. Strings are skipped; whatever else is malformed is the
// parser's business.
std::size_t find_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest_nesting) return i;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return std::string_view::npos;
}

// Length of the well-formed UTF-8 sequence at the start of `text`, or 0. When 0, `broken` is how many bytes to replace
// together.
std::size_t sequence_length(std::string_view text, std::size_t& broken) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  broken = 1;
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80,
                high = 0xBF;  // bounds of the second byte: no overlong forms, no surrogates, nothing over U+10FFFF
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) {
      broken = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

}  // namespace

Result<Document> parse_object(std::string_view text, std::string_view what) {
  const std::string subject(what);
  if (text.size() > largest_document)
    return fail(ErrorKind::invalid_argument, subject + " is too large: " + std::to_string(text.size()) +
                                                 " bytes, at most " + std::to_string(largest_document) + " are read");
  const auto not_json = [&](std::size_t offset, const std::string& why) {
    return fail(ErrorKind::invalid_argument,
                subject + " is not valid JSON at byte " + std::to_string(offset) + ": " + why);
  };
  // RapidJSON takes a NUL for the end of the text.
  if (auto nul = text.find('\0'); nul != std::string_view::npos) return not_json(nul, "a NUL byte");
  if (auto deep = find_too_deep(text); deep != std::string_view::npos)
    return not_json(deep, "nested more than " + std::to_string(deepest_nesting) + " deep");

  Document document;
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseFullPrecisionFlag;
  document.Parse<flags>(text.data(), text.size());
  if (document.HasParseError())
    return not_json(document.GetErrorOffset(), rapidjson::GetParseError_En(document.GetParseError()));
  if (!document.IsObject()) return fail(ErrorKind::invalid_argument, subject + " is not a JSON object (offset 0)");
  return document;
}

Result<std::string> require_string(const Value& object, const char* name) {
  const Value* value = find(object, name);
  if (!value || !value->IsString())
    return fail(ErrorKind::invalid_argument,
                std::string("\"") + name + (value ? "\" is not a string" : "\" is missing"), {},
                std::string("/") + name);
  return std::string(value->GetString(), value->GetStringLength());
}

Result<std::uint64_t> require_uint(const Value& object, const char* name) {
  const Value* value = find(object, name);
  if (!value || !value->IsUint64())
    return fail(ErrorKind::invalid_argument,
                std::string("\"") + name + (value ? "\" is not a whole number, zero or more" : "\" is missing"), {},
                std::string("/") + name);
  return value->GetUint64();
}

Document from_error(const Error& error) {
  Document document = make_object();
  set(document, document, "kind", kind_name(error.kind));
  set(document, document, "message", valid_utf8(error.message));
  if (!error.field.empty()) set(document, document, "field", valid_utf8(error.field));
  if (!error.hint.empty()) set(document, document, "hint", valid_utf8(error.hint));
  set(document, document, "retry", error.retry);
  return document;
}

Error to_error(const Value& object) {
  Error error;
  error.kind = kind_from_name(string_or(object, "kind"));
  error.message = string_or(object, "message", "no message was given");
  error.field = string_or(object, "field");
  error.hint = string_or(object, "hint");
  error.retry = bool_or(object, "retry", false);
  return error;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    std::size_t broken = 0;
    if (const std::size_t length = sequence_length(text, broken)) {
      valid.append(text.substr(0, length));
      text.remove_prefix(length);
    } else {
      valid.append("\xEF\xBF\xBD");
      text.remove_prefix(broken);
    }
  }
  return valid;
}

}  // namespace anyvisor::json
