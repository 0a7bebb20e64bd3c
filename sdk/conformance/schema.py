# SPDX-License-Identifier: MIT
"""Checks a document against a JSON Schema, draft-04, as far as ../schemas use it."""

import json
import pathlib
import re

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent / "schemas"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
         "null": type(None)}


def problems(document, name):
    """What is wrong with `document` by the schema of that name: "/pointer: why", one each; empty when nothing is."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return list(_problems(document, schema, schema, ""))


def _is(value, kind):
    if isinstance(kind, list):
        return any(_is(value, one) for one in kind)
    if kind in ("integer", "number") and isinstance(value, bool):
        return False
    return isinstance(value, TYPES[kind])


def _problems(value, schema, root, at):
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{at or '/'}: no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at or '/'}: {value!r} is none of {schema['enum']}"
    if "anyOf" in schema and all(any(_problems(value, one, root, at)) for one in schema["anyOf"]):
        yield f"{at or '/'}: fits no alternative"
    if isinstance(value, dict):
        yield from _object_problems(value, schema, root, at)
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at or '/'}: {len(value)} items"
        for number, item in enumerate(value):
            yield from _problems(item, schema.get("items", {}), root, f"{at}/{number}")
    elif isinstance(value, str):
        if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", len(value)):
            yield f"{at or '/'}: {len(value)} characters"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at or '/'}: {value!r} does not look like {schema['pattern']}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            yield f"{at or '/'}: {value} is out of range"


def _object_problems(value, schema, root, at):
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}/{name}: missing"
    rest = schema.get("additionalProperties", {})
    for name, item in value.items():
        one = schema.get("properties", {}).get(name, rest)
        if one is False:
            yield f"{at}/{name}: not known"
        elif isinstance(one, dict):
            yield from _problems(item, one, root, f"{at}/{name}")
