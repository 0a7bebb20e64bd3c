// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdio>

#include "output/formats.hpp"

namespace anyvisor::cli {

namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Words that a YAML reader, of whatever version, takes for text.
bool is_plain(const std::string& text) {
  constexpr std::array<std::string_view, 11> taken{"true", "false", "null", "yes", "no", "on",
                                                   "off",  "y",     "n",    "inf", "nan"};
  if (text.empty() || !is_letter(text.front())) return false;
  for (const char c : text)
    if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '/') return false;
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::ranges::find(taken, lower) == taken.end();
}

// A JSON string is a YAML one, but for what YAML does not take as it is: DEL, the C1 controls, U+FEFF, U+FFFE, U+FFFF.
std::string quoted(const json::Value& value) {
  const std::string text = json::render(value);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) {
      return at < text.size() ? static_cast<unsigned>(static_cast<unsigned char>(text[at])) : 0U;
    };
    unsigned code = 0;
    std::size_t size = 1;
    if (byte(i) == 0x7f) {
      code = 0x7f;
    } else if (byte(i) == 0xc2 && byte(i + 1) < 0xa0) {
      code = byte(i + 1);
      size = 2;
    } else if (byte(i) == 0xef && byte(i + 1) == 0xbb && byte(i + 2) == 0xbf) {
      code = 0xfeff;
      size = 3;
    } else if (byte(i) == 0xef && byte(i + 1) == 0xbf && byte(i + 2) >= 0xbe) {
      code = 0xff00U | (byte(i + 2) + 0x40U);
      size = 3;
    }
    if (code == 0) {
      out += text[i];
      continue;
    }
    std::array<char, 8> escape{};
    std::snprintf(escape.data(), escape.size(), "\\u%04x", code);
    out += escape.data();
    i += size - 1;
  }
  return out;
}

std::string scalar(const json::Value& value) {
  if (!value.IsString()) return json::render(value);
  const std::string text(value.GetString(), value.GetStringLength());
  return is_plain(text) ? text : quoted(value);
}

bool is_block(const json::Value& value) {
  return (value.IsObject() && value.MemberCount() > 0) || (value.IsArray() && !value.Empty());
}

void write(const json::Value& value, std::size_t depth, std::string& out);

// After a name or a dash that `out` ends with.
void write_below(const json::Value& value, std::size_t depth, std::string& out) {
  if (is_block(value)) {
    out += "\n";
    write(value, depth, out);
  } else {
    out += " " + scalar(value) + "\n";
  }
}

void write(const json::Value& value, std::size_t depth, std::string& out) {
  const std::string indent(depth * 2, ' ');
  if (value.IsObject()) {
    for (const auto& member : value.GetObject()) {
      out += indent + scalar(member.name) + ":";
      write_below(member.value, depth + 1, out);
    }
    return;
  }
  for (const auto& item : value.GetArray()) {
    out += indent + "-";
    if (!item.IsObject() || !is_block(item)) {
      write_below(item, depth + 1, out);
      continue;
    }
    // Its first member stands beside the dash.
    std::string below;
    write(item, depth + 1, below);
    out += below.substr(indent.size() + 1);
  }
}

}  // namespace

std::string to_yaml(const json::Value& document) {
  if (!is_block(document)) return scalar(document) + "\n";
  std::string out;
  write(document, 0, out);
  return out;
}

}  // namespace anyvisor::cli
