// SPDX-License-Identifier: MIT
// Rows: each repetition is one measurement, and the row tells their median and spread. Times are read by people, and
// compared with the targets at the end.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace anyvisor::bench {

// How often a row is measured: by what one measurement takes.
constexpr int many = 40, some = 10, few = 3;
// Errors that begin so: this machine lacks something, and the row is left out.
constexpr const char* lacking = "left out: ";

// Rows are measured once, whatever they ask for.
void set_quick();
bool is_quick();
// `measure` sets the iteration time of one measurement, in seconds.
void add_row(const std::string& name, int repetitions, std::function<void(benchmark::State&)> measure);

// Prints as usual, and keeps each row's medians.
class Medians : public benchmark::ConsoleReporter {
 public:
  Medians() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override;
  bool failed() const { return failed_; }
  // Milliseconds, or a counter's value. 0: not measured.
  double of(const std::string& row, const std::string& counter = {}) const;

 private:
  bool failed_ = false;
  std::map<std::string, double> medians_;
};

// How many times `below` goes into `above`; 0: one of them was not measured.
double ratio(double above, double below);
// Prints a line: met or missed. Nothing for a value of 0.
void compare(const char* what, double value, double target, const char* unit, bool at_most = true);

}  // namespace anyvisor::bench
