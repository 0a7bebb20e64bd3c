// SPDX-License-Identifier: MIT
// anyvisor completion, and what shells and packagers ask: complete, manual.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <optional>

#include "arguments.hpp"
#include "command.hpp"
#include "commands/instances.hpp"
#include "commands/properties.hpp"
#include "completion.hpp"
#include "manual.hpp"
#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

// Of the home folder that the command line means.
class KnownHere : public Known {
 public:
  explicit KnownHere(std::string home) : home_(std::move(home)) {}

  std::vector<Candidate> instances(bool deleted) override {
    std::vector<Candidate> all;
    if (Manager* manager = open())
      if (const auto list = manager->list())
        for (const auto& info : *list)
          if (info.deleted.empty() != deleted) all.push_back({info.name, shown_state(info)});
    return all;
  }
  std::vector<Candidate> images() override {
    std::vector<Candidate> all;
    if (Manager* manager = open())
      if (const auto list = manager->images())
        for (const auto& info : *list) all.push_back({info.name, info.summary});
    return all;
  }
  std::vector<Candidate> plugins(bool backends_only) override {
    std::vector<Candidate> all;
    if (Manager* manager = open())
      if (const auto list = manager->plugins())
        for (const auto& info : *list) {
          const bool is_backend = std::ranges::any_of(
              info.interfaces, [](const std::string& name) { return name.starts_with("anyvisor.backend/"); });
          if (info.error.empty() && (is_backend || !backends_only)) all.push_back({info.id, info.summary});
        }
    return all;
  }
  std::vector<Candidate> settings() override {
    std::vector<Candidate> all;
    if (Manager* manager = open())
      if (const auto list = manager->settings())
        for (const auto& setting : *list) all.push_back({setting.key, setting.summary});
    return all;
  }
  std::vector<Candidate> properties(bool changeable_only) override {
    std::vector<Candidate> all;
    for (const auto& property : instance_properties())
      if (property.changeable || !changeable_only) all.push_back({property.key, property.summary});
    return all;
  }

 private:
  Manager* open() {
    if (!manager_) {
      ManagerOptions options;
      options.home = home_;
      auto opened = Manager::open(std::move(options));
      if (!opened) return nullptr;
      manager_.emplace(std::move(*opened));
    }
    return &*manager_;
  }
  const std::string home_;
  std::optional<Manager> manager_;
};

// --home of the line that is being typed.
std::string home_of(const std::vector<std::string>& words) {
  constexpr std::string_view option = "--home";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == option && i + 2 < words.size()) return words[i + 1];
    if (words[i].starts_with("--home=") && i + 1 < words.size()) return words[i].substr(option.size() + 1);
  }
  return {};
}

int run_complete(Session& session, const Arguments& arguments) {
  const std::vector<std::string> words(arguments.positional().begin() + 1, arguments.positional().end());
  const std::string home = home_of(words);
  KnownHere known(home.empty() ? arguments.value("home") : home);
  const Completion completion = complete(words, known);
  for (const auto& candidate : completion.candidates)
    session.print(one_line(candidate.text) + "\t" + one_line(candidate.summary) + "\n");
  if (completion.files) session.print(":files\n");
  return 0;
}

int run_completion(Session& session, const Arguments& arguments) {
  const std::string& shell = arguments.positional().front();
  if (shell != "bash" && shell != "zsh" && shell != "fish")
    throw UsageError("there is no completion for the shell \"" + shell + "\"", "use bash, zsh or fish");
  session.print(completion_script(shell));
  return 0;
}

int run_manual(Session&, const Arguments& arguments) {
  const std::string& folder = arguments.positional().front();
  for (const auto& [name, text] : manual_pages()) {
    const std::string path = folder + "/" + name;
    std::FILE* file = std::fopen(path.c_str(), "we");
    const bool written = file && std::fputs(text.c_str(), file) >= 0;
    const bool closed = file && std::fclose(file) == 0;
    if (!written || !closed) throw Failed(fail_errno("cannot write \"" + path + "\"", errno).value());
  }
  return 0;
}

constexpr const char* completion_details =
    "Names of instances, images, plugins, settings and so on are those that there are.\n"
    "\n"
    "  bash   source <(anyvisor completion bash)\n"
    "  zsh    source <(anyvisor completion zsh), after compinit\n"
    "  fish   anyvisor completion fish | source\n"
    "\n"
    "An installed anyvisor has put them where these shells look.";

}  // namespace

extern const Command completion_command, complete_command, manual_command;
constinit const Command completion_command{"This machine",
                                           "completion",
                                           nullptr,
                                           "bash|zsh|fish",
                                           "Print what makes a shell complete this program's words",
                                           completion_details,
                                           1,
                                           1,
                                           {},
                                           run_completion};
// Not shown: the scripts call it with the words of the line, the program's name first, the word at the cursor last.
constinit const Command complete_command{"",
                                         "complete",
                                         nullptr,
                                         "PROGRAM WORD...",
                                         "Print what could be typed next",
                                         nullptr,
                                         1,
                                         std::numeric_limits<unsigned>::max(),
                                         {},
                                         run_complete,
                                         0,
                                         1};
// Not shown: the build calls it.
constinit const Command manual_command{"",      "manual", nullptr, "DIR", "Write the manual pages into a folder",
                                       nullptr, 1,        1,       {},    run_manual};

}  // namespace anyvisor::cli
