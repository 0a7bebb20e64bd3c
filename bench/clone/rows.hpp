// SPDX-License-Identifier: MIT
// Rows: each repetition is one measurement, and the row tells their median and spread.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include "sources.hpp"

namespace anyvisor::bench {

// How often a row is measured: by what one measurement takes.
constexpr int many = 40, some = 10, few = 3;
// Errors that begin so: this machine lacks something, and the row is left out.
constexpr const char* lacking = "left out: ";
// Rows are measured once, whatever they ask for.
void set_quick();
void add_row(const std::string& name, int repetitions, std::function<void(benchmark::State&)> measure);

void register_ours(const Sources& sources);
void register_peers(const Sources& sources);

}  // namespace anyvisor::bench
