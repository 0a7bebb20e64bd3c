// SPDX-License-Identifier: MIT
#include "output/text.hpp"

#include <array>
#include <cstdio>

namespace anyvisor::cli {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

struct CodePoint {
  char32_t value;
  std::size_t size;  // bytes; value is valid only when `valid`
  bool valid;
};

CodePoint decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return {first, 1, true};
  const std::size_t size = first >= 0xf0 && first < 0xf5   ? 4
                           : first >= 0xe0 && first < 0xf0 ? 3
                           : first >= 0xc2 && first < 0xe0 ? 2
                                                           : 0;
  if (size == 0 || at + size > text.size()) return {0, 1, false};
  char32_t value = first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return {0, 1, false};
    value = value << 6 | (byte(at + i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {0, 1, false};
  return {value, size, true};
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0);
}
// Direction overrides and isolates, line and paragraph separators: they rearrange what stands around them.
bool is_layout(char32_t c) {
  return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029 || c == 0x200e ||
         c == 0x200f;
}

// Copies `text`; `keep` decides which valid code points pass, the rest become U+FFFD.
template <class Keep>
std::string filtered(std::string_view text, Keep keep) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode(text, at);
    if (point.valid && keep(point.value))
      out += text.substr(at, point.size);
    else
      out += replacement;
    at += point.size;
  }
  return out;
}

// Where the escape sequence that begins at `at` (on ESC) ends.
std::size_t skip_escape(std::string_view text, std::size_t at) {
  if (++at >= text.size()) return at;
  const char kind = text[at];
  if (kind == '[') {  // CSI: parameters and intermediates up to a final byte
    for (++at; at < text.size() && text[at] >= 0x20 && text[at] < 0x40; ++at) {
    }
    return at < text.size() && text[at] >= 0x40 && text[at] < 0x7f ? at + 1 : at;
  }
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {  // strings, up to BEL or ESC backslash
    for (++at; at < text.size() && text[at] != '\a' && text[at] != '\n'; ++at)
      if (text[at] == '\x1b') return at + 1 < text.size() && text[at + 1] == '\\' ? at + 2 : at;
    return at < text.size() && text[at] == '\a' ? at + 1 : at;
  }
  while (at < text.size() && text[at] >= 0x20 && text[at] < 0x30) ++at;
  return at < text.size() && text[at] >= 0x30 && text[at] < 0x7f ? at + 1 : at;
}

}  // namespace

std::string printable(std::string_view text) {
  return filtered(text, [](char32_t c) { return !is_control(c) && !is_layout(c); });
}

std::string one_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::string joined;
  for (const char c : text) {
    if (c == '\n')
      joined += "; ";
    else if (c == '\t')
      joined += ' ';
    else if (c != '\r')
      joined += c;
  }
  return printable(joined);
}

std::string plain_console(std::string_view bytes) {
  std::string kept;
  kept.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    if (bytes[at] == '\x1b') {
      at = skip_escape(bytes, at);
      continue;
    }
    const auto c = static_cast<unsigned char>(bytes[at]);
    if (c >= 0x20 || c == '\n' || c == '\t') kept += bytes[at];
    ++at;
  }
  return filtered(kept, [](char32_t c) { return c == '\n' || c == '\t' || (!is_control(c) && !is_layout(c)); });
}

std::string valid_utf8(std::string_view bytes) {
  return filtered(bytes, [](char32_t) { return true; });
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, size, valid] = decode(text, at);
    at += size;
    const bool combining = (c >= 0x300 && c < 0x370) || (c >= 0x200b && c <= 0x200d) || (c >= 0xfe00 && c <= 0xfe0f);
    const bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
                      (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
                      (c >= 0x1f300 && c < 0x1fb00) || (c >= 0x20000 && c < 0x3fffe);
    width += combining ? 0 : valid && wide ? 2 : 1;
  }
  return width;
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < units.size()) value /= 1024, ++unit;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text.data();
}

std::string human_duration(std::int64_t microseconds) {
  std::array<char, 48> text{};
  if (microseconds < 10'000)
    std::snprintf(text.data(), text.size(), "%.1f ms", static_cast<double>(microseconds) / 1e3);
  else if (microseconds < 1'000'000)
    std::snprintf(text.data(), text.size(), "%.0f ms", static_cast<double>(microseconds) / 1e3);
  else if (microseconds < 60'000'000)
    std::snprintf(text.data(), text.size(), "%.1f s", static_cast<double>(microseconds) / 1e6);
  else
    std::snprintf(text.data(), text.size(), "%lld min %lld s", static_cast<long long>(microseconds / 60'000'000),
                  static_cast<long long>(microseconds / 1'000'000 % 60));
  return text.data();
}

std::string human_time(const std::string& rfc3339) {
  if (rfc3339.size() < 20 || rfc3339[10] != 'T' || rfc3339.back() != 'Z') return printable(rfc3339);
  return printable(rfc3339.substr(0, 10) + " " + rfc3339.substr(11, 8) + " UTC");
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

}  // namespace anyvisor::cli
