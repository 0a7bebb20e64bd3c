// SPDX-License-Identifier: MIT
// Text for terminals. What comes from guests, files and plugins may hold anything: nothing here lets a control
// character through.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anyvisor::cli {

// Control characters, direction overrides and broken UTF-8 become U+FFFD.
std::string printable(std::string_view text);
// The same, and line breaks become "; ".
std::string one_line(std::string_view text);
// A guest's console for a terminal: escape sequences and control characters are gone; lines and tabs stay.
std::string plain_console(std::string_view bytes);
// Valid UTF-8 with every byte that is not replaced by U+FFFD; control characters stay. For JSON.
std::string valid_utf8(std::string_view bytes);
// Columns that it takes on a terminal.
std::size_t display_width(std::string_view text);
// "1.0 GiB", "512 MiB", "17 bytes".
std::string human_size(std::uint64_t bytes);
// "12 ms", "3.4 s", "2 min 5 s" from microseconds.
std::string human_duration(std::int64_t microseconds);
// "2026-11-21 10:00:00 UTC" from RFC 3339; other text as it is.
std::string human_time(const std::string& rfc3339);
// The text, or "-".
std::string or_dash(const std::string& text);

}  // namespace anyvisor::cli
