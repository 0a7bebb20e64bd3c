// SPDX-License-Identifier: MIT
// Reading and writing JSON documents: a thin, header-only layer over RapidJSON, for plugins and for the core alike.
// Needs RapidJSON's headers (rapidjson-dev) with RAPIDJSON_HAS_STDSTRING=1. All functions: [any thread] on distinct
// documents.
#pragma once

#ifndef RAPIDJSON_HAS_STDSTRING
#define RAPIDJSON_HAS_STDSTRING 1
#endif
#include <rapidjson/document.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anyvisor::json {

using Value = rapidjson::Value;
using Document = rapidjson::Document;

// The member, or nullptr when `object` is no object or has no such member.
inline const Value* find(const Value& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  auto member = object.FindMember(name);
  return member == object.MemberEnd() ? nullptr : &member->value;
}

// The member's value, or the fallback when it is missing, null or of another type.
inline std::string string_or(const Value& object, const char* name, std::string fallback = {}) {
  const Value* value = find(object, name);
  return value && value->IsString() ? std::string(value->GetString(), value->GetStringLength()) : fallback;
}
inline std::uint64_t uint_or(const Value& object, const char* name, std::uint64_t fallback) {
  const Value* value = find(object, name);
  return value && value->IsUint64() ? value->GetUint64() : fallback;
}
inline std::int64_t int_or(const Value& object, const char* name, std::int64_t fallback) {
  const Value* value = find(object, name);
  return value && value->IsInt64() ? value->GetInt64() : fallback;
}
inline bool bool_or(const Value& object, const char* name, bool fallback) {
  const Value* value = find(object, name);
  return value && value->IsBool() ? value->GetBool() : fallback;
}
inline std::vector<std::string> strings_or_empty(const Value& object, const char* name) {
  std::vector<std::string> strings;
  const Value* value = find(object, name);
  if (value && value->IsArray())
    for (const auto& item : value->GetArray())
      if (item.IsString()) strings.emplace_back(item.GetString(), item.GetStringLength());
  return strings;
}
// The member when it is there and is an object, or an array; else nullptr.
inline const Value* object_or_null(const Value& object, const char* name) {
  const Value* value = find(object, name);
  return value && value->IsObject() ? value : nullptr;
}
inline const Value* array_or_null(const Value& object, const char* name) {
  const Value* value = find(object, name);
  return value && value->IsArray() ? value : nullptr;
}

inline Document make_object() {
  Document document;
  document.SetObject();
  return document;
}

// Sets or replaces a member of `object`, which is `document` or a part of it. Everything is copied into the document.
inline void set_value(Document& document, Value& object, const char* name, Value&& value) {
  object.RemoveMember(name);
  object.AddMember(Value(name, document.GetAllocator()), std::move(value), document.GetAllocator());
}
inline void set(Document& document, Value& object, const char* name, std::string_view text) {
  set_value(document, object, name,
            Value(text.data(), static_cast<rapidjson::SizeType>(text.size()), document.GetAllocator()));
}
inline void set(Document& document, Value& object, const char* name, const std::string& text) {
  set(document, object, name, std::string_view(text));
}
inline void set(Document& document, Value& object, const char* name, const char* text) {
  set(document, object, name, std::string_view(text));
}
inline void set(Document& document, Value& object, const char* name, bool flag) {
  set_value(document, object, name, Value(flag));
}
inline void set(Document& document, Value& object, const char* name, int number) {
  set_value(document, object, name, Value(number));
}
inline void set(Document& document, Value& object, const char* name, unsigned number) {
  set_value(document, object, name, Value(number));
}
inline void set(Document& document, Value& object, const char* name, std::int64_t number) {
  set_value(document, object, name, Value(number));
}
inline void set(Document& document, Value& object, const char* name, std::uint64_t number) {
  set_value(document, object, name, Value(number));
}
inline void set(Document& document, Value& object, const char* name, const std::vector<std::string>& strings) {
  Value array(rapidjson::kArrayType);
  for (const auto& text : strings) array.PushBack(Value(text, document.GetAllocator()), document.GetAllocator());
  set_value(document, object, name, std::move(array));
}
inline void set_null(Document& document, Value& object, const char* name) {
  set_value(document, object, name, Value());
}
// Deep copies of a value that may belong to another document.
inline void set_copy(Document& document, Value& object, const char* name, const Value& value) {
  set_value(document, object, name, Value(value, document.GetAllocator()));
}
inline void push_copy(Document& document, Value& array, const Value& value) {
  array.PushBack(Value(value, document.GetAllocator()), document.GetAllocator());
}

// One line without its newline.
inline std::string render(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}
// Indented by two spaces, with a newline at the end: for files that people may read.
inline std::string render_pretty(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 2);
  value.Accept(writer);
  return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

}  // namespace anyvisor::json
