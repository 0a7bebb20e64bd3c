// SPDX-License-Identifier: MIT
#include "document/schema.hpp"

#include <rapidjson/schema.h>

#include <map>
#include <memory>
#include <mutex>

#include "document/schema_language.hpp"
#include "document/schema_texts.hpp"

namespace anyvisor::json {

namespace {

std::string pointer_text(const rapidjson::Pointer& pointer) {
  rapidjson::StringBuffer buffer;
  pointer.Stringify(buffer);
  return {buffer.GetString(), buffer.GetSize()};
}

// JSON Schema draft-04 in itself (http://json-schema.org/draft-04/schema), with nothing left out but descriptions and
// defaults.
constexpr std::string_view language_schema = R"({
  "definitions": {
    "schemaArray": {"type": "array", "minItems": 1, "items": {"$ref": "#"}},
    "positiveInteger": {"type": "integer", "minimum": 0},
    "simpleTypes": {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]},
    "stringArray": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true}
  },
  "type": "object",
  "properties": {
    "id": {"type": "string"}, "$schema": {"type": "string"}, "title": {"type": "string"}, "description": {"type": "string"},
    "default": {},
    "multipleOf": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
    "maximum": {"type": "number"}, "exclusiveMaximum": {"type": "boolean"},
    "minimum": {"type": "number"}, "exclusiveMinimum": {"type": "boolean"},
    "maxLength": {"$ref": "#/definitions/positiveInteger"}, "minLength": {"$ref": "#/definitions/positiveInteger"},
    "pattern": {"type": "string"},
    "additionalItems": {"anyOf": [{"type": "boolean"}, {"$ref": "#"}]},
    "items": {"anyOf": [{"$ref": "#"}, {"$ref": "#/definitions/schemaArray"}]},
    "maxItems": {"$ref": "#/definitions/positiveInteger"}, "minItems": {"$ref": "#/definitions/positiveInteger"},
    "uniqueItems": {"type": "boolean"},
    "maxProperties": {"$ref": "#/definitions/positiveInteger"}, "minProperties": {"$ref": "#/definitions/positiveInteger"},
    "required": {"$ref": "#/definitions/stringArray"},
    "additionalProperties": {"anyOf": [{"type": "boolean"}, {"$ref": "#"}]},
    "definitions": {"type": "object", "additionalProperties": {"$ref": "#"}},
    "properties": {"type": "object", "additionalProperties": {"$ref": "#"}},
    "patternProperties": {"type": "object", "additionalProperties": {"$ref": "#"}},
    "dependencies": {"type": "object", "additionalProperties": {"anyOf": [{"$ref": "#"}, {"$ref": "#/definitions/stringArray"}]}},
    "enum": {"type": "array", "minItems": 1, "uniqueItems": true},
    "type": {"anyOf": [{"$ref": "#/definitions/simpleTypes"},
                       {"type": "array", "items": {"$ref": "#/definitions/simpleTypes"}, "minItems": 1, "uniqueItems": true}]},
    "format": {"type": "string"},
    "allOf": {"$ref": "#/definitions/schemaArray"}, "anyOf": {"$ref": "#/definitions/schemaArray"},
    "oneOf": {"$ref": "#/definitions/schemaArray"}, "not": {"$ref": "#"}
  },
  "dependencies": {"exclusiveMaximum": ["maximum"], "exclusiveMinimum": ["minimum"]}
})";

// What the violated rule asks for, for the message: ", which must be there" tells more than "required".
std::string explain(const std::string& keyword, const Value* rule, const Value* wrong) {
  if (keyword == "required" && rule && rule->IsArray() && wrong && wrong->IsObject()) {
    for (const auto& name : rule->GetArray())
      if (name.IsString() && !find(*wrong, name.GetString()))
        return std::string("\"") + name.GetString() + "\" is missing";
  }
  if (keyword == "additionalProperties") return "has a member that the schema does not know";
  if (!rule) return "violates \"" + keyword + "\"";
  std::string expected = render(*rule);
  if (expected.size() > 200) expected = expected.substr(0, 200) + "...";
  return "violates \"" + keyword + "\": " + valid_utf8(expected);
}

// A schema, ready to check with.
class Schema {
 public:
  explicit Schema(Document text) : text_(std::move(text)), compiled_(text_) {}

  Result<void> check(const Value& value, std::string_view what) {
    // RapidJSON's regular expressions keep state: one check at a time.
    const std::lock_guard guard(checking_);
    rapidjson::SchemaValidator validator(compiled_);
    if (value.Accept(validator)) return {};
    const char* violated = validator.GetInvalidSchemaKeyword();
    const std::string keyword = violated ? violated : "schema";
    const auto place = validator.GetInvalidDocumentPointer();
    const std::string field = pointer_text(place);
    const Value* schema = validator.GetInvalidSchemaPointer().Get(text_);
    const Value* rule = schema ? find(*schema, keyword.c_str()) : nullptr;
    return fail(ErrorKind::invalid_argument,
                std::string(what) + " is not valid: " + (field.empty() ? "the document" : field) + " " +
                    explain(keyword, rule, place.Get(value)),
                {}, field);
  }

 private:
  Document text_;
  rapidjson::SchemaDocument compiled_;
  std::mutex checking_;
};

}  // namespace

std::string_view schema_text(std::string_view name) {
  if (name == schema_language) return language_schema;
  for (const auto& [known, text] : schema_texts())
    if (known == name) return text;
  return {};
}

Result<void> check_schema(const Value& value, std::string_view name) {
  static std::mutex lookup;
  static std::map<std::string, std::unique_ptr<Schema>, std::less<>> compiled;
  Schema* schema = nullptr;
  {
    const std::lock_guard guard(lookup);
    auto known = compiled.find(name);
    if (known == compiled.end()) {
      const auto text = schema_text(name);
      if (text.empty()) return fail(ErrorKind::internal, "there is no schema \"" + std::string(name) + "\"");
      auto document = parse_object(text, "schema \"" + std::string(name) + "\"");
      if (!document) return in_context("internal", std::move(document).error());
      known = compiled.emplace(std::string(name), std::make_unique<Schema>(std::move(*document))).first;
    }
    schema = known->second.get();
  }
  return schema->check(value, "the document \"" + std::string(name) + "\"");
}

Result<void> check_schema_text(const Value& value, std::string_view schema_text, std::string_view what) {
  auto document = parse_object(schema_text, "the schema of " + std::string(what));
  if (!document) {
    Error error = std::move(document).error();
    error.kind = ErrorKind::corrupted;
    return tl::unexpected<Error>(std::move(error));
  }
  ANYVISOR_CHECK(check_schema_language(*document, "the schema of " + std::string(what)));
  return Schema(std::move(*document)).check(value, what);
}

}  // namespace anyvisor::json
