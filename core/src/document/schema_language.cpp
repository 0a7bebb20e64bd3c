// SPDX-License-Identifier: MIT
#include "document/schema_language.hpp"

#include <rapidjson/pointer.h>

#include <cstdint>

#include "document/schema.hpp"

namespace anyvisor::json {

namespace {

// Parses a pattern and counts the states it will have, for counted repetitions are copied out.
class PatternParser {
 public:
  explicit PatternParser(std::string_view pattern) : rest_(pattern) {
    if (rest_.starts_with('^')) rest_.remove_prefix(1);
    // An escaped '$' is a character.
    if (rest_.ends_with('$') && !rest_.ends_with("\\$")) rest_.remove_suffix(1);
  }

  bool parse() {
    if (rest_.empty()) return true;
    const std::uint64_t states = alternatives(0);
    return states > 0 && states <= most_states && rest_.empty();
  }

 private:
  static constexpr std::uint64_t most_states = 20'000;
  static constexpr int deepest_group = 20;

  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Each of these answers the number of states, 0 when it is wrong.
  std::uint64_t alternatives(int depth) {
    std::uint64_t states = 0;
    do {
      const auto one = sequence(depth);
      if (one == 0) return 0;
      states += one + 1;
    } while (take('|'));
    return states;
  }

  std::uint64_t sequence(int depth) {
    std::uint64_t states = 0;
    while (!rest_.empty() && peek() != '|' && peek() != ')') {
      auto one = atom(depth);
      if (one == 0) return 0;
      if (take('?') || take('*') || take('+')) {
        ++one;
      } else if (take('{')) {
        const auto times = repetitions();
        if (times == 0) return 0;
        one *= times;
      }
      if (states += one; states > most_states) return 0;
    }
    return states;
  }

  std::uint64_t atom(int depth) {
    switch (peek()) {
      case '(': {
        rest_.remove_prefix(1);
        if (depth == deepest_group) return 0;
        const auto states = alternatives(depth + 1);
        return take(')') ? states : 0;
      }
      case '[':
        rest_.remove_prefix(1);
        return character_class() ? 1 : 0;
      case '\\':
        rest_.remove_prefix(1);
        return escape() ? 1 : 0;
      case '^':
      case '$':
      case '?':
      case '*':
      case '+':
      case '{':
      case '\0':
        return 0;
      default:
        rest_.remove_prefix(1);
        return 1;
    }
  }

  bool escape() {
    if (rest_.empty() || std::string_view("^$|()?*+.[]{}\\fnrtv").find(peek()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // After '['.
  bool character_class() {
    take('^');
    if (peek() == ']') return false;
    while (!rest_.empty()) {
      if (take(']')) return true;
      if (take('\\')) {
        if (!escape()) return false;
      } else {
        rest_.remove_prefix(1);
      }
    }
    return false;
  }

  // After '{': how many copies are made.
  std::uint64_t repetitions() {
    std::uint64_t low = 0;
    if (!number(low)) return 0;
    std::uint64_t high = low;
    if (take(',')) {
      if (peek() == '}')
        high = low + 1;
      else if (!number(high) || high < low)
        return 0;
    }
    return take('}') ? high : 0;
  }
  bool number(std::uint64_t& value) {
    value = 0;
    if (peek() < '0' || peek() > '9') return false;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + static_cast<std::uint64_t>(peek() - '0');
      rest_.remove_prefix(1);
      if (value > 1000) return false;
    }
    return true;
  }

  std::string_view rest_;
};

// What the language's own schema cannot say. `schema` is the whole document, `part` what is looked at.
Result<void> check_part(const Document& schema, const Value& part, std::string_view what) {
  const auto wrong = [&](const std::string& why) { return fail(ErrorKind::corrupted, std::string(what) + ": " + why); };
  const auto check_pattern = [&](std::string_view pattern) -> Result<void> {
    if (is_supported_pattern(pattern)) return {};
    return wrong("the pattern \"" + std::string(pattern) + "\" is malformed or uses what is not supported");
  };
  if (part.IsArray()) {
    for (const auto& item : part.GetArray()) ANYVISOR_CHECK(check_part(schema, item, what));
    return {};
  }
  if (!part.IsObject()) return {};
  if (const Value* reference = find(part, "$ref"); reference && reference->IsString()) {
    const rapidjson::Pointer target(reference->GetString(), reference->GetStringLength());
    const bool local = reference->GetStringLength() > 0 && reference->GetString()[0] == '#';
    const Value* found = local && target.IsValid() ? target.Get(schema) : nullptr;
    if (!found || !found->IsObject() || find(*found, "$ref"))
      return wrong("\"$ref\": \"" + string_or(part, "$ref") + "\" does not lead to a schema in the document");
  }
  if (const Value* pattern = find(part, "pattern"); pattern && pattern->IsString())
    ANYVISOR_CHECK(check_pattern({pattern->GetString(), pattern->GetStringLength()}));
  if (const Value* patterns = object_or_null(part, "patternProperties"))
    for (const auto& member : patterns->GetObject())
      ANYVISOR_CHECK(check_pattern({member.name.GetString(), member.name.GetStringLength()}));
  for (const auto& member : part.GetObject()) ANYVISOR_CHECK(check_part(schema, member.value, what));
  return {};
}

}  // namespace

bool is_supported_pattern(std::string_view pattern) {
  return PatternParser(pattern).parse();
}

Result<void> check_schema_language(const Document& schema, std::string_view what) {
  // RapidJSON asserts that the root is a schema of its own.
  if (find(schema, "$ref")) return fail(ErrorKind::corrupted, std::string(what) + " has \"$ref\" at its root");
  if (auto known = check_schema(schema, schema_language); !known) {
    Error error = std::move(known).error();
    error.kind = ErrorKind::corrupted;
    return in_context(std::string(what) + " is no JSON Schema (draft-04)", std::move(error));
  }
  return check_part(schema, schema, what);
}

}  // namespace anyvisor::json
