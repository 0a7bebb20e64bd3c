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

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  // Opened at the first use. Throws Failed.
  Manager& manager();
  // To stdout.
  void print(std::string_view text) const;
  // A sentence about a success, on stdout; not with --quiet and not with --format json.
  void tell(const std::string& sentence) const;

  // Runs a long call of the manager with progress and Ctrl-C, and explains it afterwards when asked to.
  // `title`: what goes on: "launching x". The call gets the Operation and returns a Result, which is passed on.
  template <class Call>
  auto perform(const std::string& title, Call&& call) {
    Operation operation;
    auto result = [&] {
      const Interruptible interruptible;
      Progress progress(title, !quiet_ && !json_);
      operation.cancel_fd = interruptible.cancel_fd();
      operation.progress = [&](const std::string& phase, std::uint64_t done, std::uint64_t total) {
        progress.update(phase, done, total);
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
  void explain(const std::string& title, const Operation& operation) const;

  std::string home_;
  bool json_, explain_, quiet_;
  std::optional<Manager> manager_;
};

}  // namespace anyvisor::cli
