// SPDX-License-Identifier: MIT
#include "output/table.hpp"

#include <algorithm>

#include "output/text.hpp"

namespace anyvisor::cli {

Table::Table(std::vector<std::string> header) {
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> row) {
  for (auto& cell : row) cell = or_dash(one_line(cell));
  rows_.push_back(std::move(row));
}

std::string Table::render() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  std::string text;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text += row[i];
      if (i + 1 < widths.size()) text.append(widths[i] - display_width(row[i]) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string render_fields(const Fields& fields) {
  std::size_t width = 0;
  for (const auto& [name, value] : fields)
    if (!value.empty()) width = std::max(width, display_width(name));
  std::string text;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    text += name.empty() ? " " : name + ":";
    text.append(width - (name.empty() ? 0 : display_width(name)) + 2, ' ');
    text += one_line(value) + "\n";
  }
  return text;
}

}  // namespace anyvisor::cli
