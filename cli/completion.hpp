// SPDX-License-Identifier: MIT
// What could be typed next: from the tables of command.hpp, and names from what there is.
#pragma once

#include <string>
#include <vector>

namespace anyvisor::cli {

struct Candidate {
  std::string text, summary;  // summary: for shells that show one; may be empty
};

struct Completion {
  std::vector<Candidate> candidates;
  bool files = false;  // names of files are meant as well
};

// What there is, asked for only when it is needed. Each may fail by answering nothing.
class Known {
 public:
  virtual ~Known() = default;
  virtual std::vector<Candidate> instances(bool deleted) = 0;
  virtual std::vector<Candidate> images() = 0;
  virtual std::vector<Candidate> plugins(bool backends_only) = 0;
  virtual std::vector<Candidate> settings() = 0;
  virtual std::vector<Candidate> properties(bool changeable_only) = 0;
};

// `words`: what stands after the program's name, up to the cursor; the last one is being typed, and may be empty. The
// candidates begin with it.
Completion complete(const std::vector<std::string>& words, Known& known);

// The file that a shell reads: "bash", "zsh" or "fish".
std::string completion_script(const std::string& shell);

}  // namespace anyvisor::cli
