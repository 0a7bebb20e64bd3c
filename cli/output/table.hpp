// SPDX-License-Identifier: MIT
// Aligned columns without borders, and aligned names with values.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace anyvisor::cli {

// A header line and rows; every cell is made printable, an empty one becomes "-".
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void add(std::vector<std::string> row);
  std::string render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "Name:   value" lines; entries with an empty value are left out. A name of "" continues the entry above.
using Fields = std::vector<std::pair<std::string, std::string>>;
std::string render_fields(const Fields& fields);

}  // namespace anyvisor::cli
