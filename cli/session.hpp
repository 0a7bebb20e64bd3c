// SPDX-License-Identifier: MIT
// What a command works with: the global options, the manager, output, and operations with progress and Ctrl-C.
#pragma once

#include <anyvisor/manager.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "errors.hpp"
#include "interrupt.hpp"
#include "output/progress.hpp"

namespace anyvisor::cli {

class Session {
 public:
  explicit Session(const Arguments& arguments);

  bool json() const { return format_ == Format::json; }
  // A program reads the answer: json, csv or yaml.
  bool structured() const { return format_ != Format::table; }
  bool quiet() const { return quiet_; }
  // Opened at the first use. Throws Failed.
  Manager& manager();
  // The answer to a program, in its format: a JSON document of docs/json-output.md, which is what csv and yaml are made
  // of.
  void answer(const std::string& json) const;
  // To stdout.
  void print(std::string_view text) const;
  // A sentence about a success, on stdout; not with --quiet and not for programs.
  void tell(const std::string& sentence) const;

  // Runs a long call of the manager with progress and Ctrl-C, and explains it afterwards when asked to.
  // `title`: what goes on: "launching x". The call gets the Operation and returns a Result, which is passed on.
  template <class Call>
  auto perform(const std::string& title, Call&& call) {
    Operation operation;
    auto result = [&] {
      const Interruptible interruptible;
      Progress progress(title, !quiet_ && !verbose_ && !structured());
      operation.cancel_fd = interruptible.cancel_fd();
      operation.progress = [&](const std::string& phase, std::uint64_t done, std::uint64_t total) {
        progress.update(phase, done, total);
        if (verbose_) tell_phase(title, phase);
      };
      return call(operation);
    }();
    if (explain_) explain(title, operation);
    return result;
  }

  // Runs `each` for every name, reports every failure and goes on, unless interrupted. Returns the exit code of the
  // first failure.
  int for_each(const std::vector<std::string>& names,
               const std::function<Result<void>(const std::string&)>& each) const;

 private:
  enum class Format { table, json, csv, yaml };
  static Format read_format(const Arguments& arguments);
  // On stderr, each time another one begins.
  void tell_phase(const std::string& title, const std::string& phase);
  void explain(const std::string& title, const Operation& operation) const;

  std::string home_;
  Format format_;
  bool explain_, quiet_, verbose_;
  std::string phase_;  // last told
  std::optional<Manager> manager_;
};

}  // namespace anyvisor::cli
