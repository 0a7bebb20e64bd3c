// SPDX-License-Identifier: MIT
#include "completion.hpp"

#include <algorithm>
#include <sstream>

#include "command.hpp"

namespace anyvisor::cli {

namespace {

std::string dashed(const Option& option) {
  return "--" + std::string(option.name);
}

// "bash|zsh|fish": the words that are meant; empty: it stands for something else.
std::vector<Candidate> choices_of(std::string_view placeholder) {
  std::vector<Candidate> choices;
  const bool literal = placeholder.find('|') != std::string_view::npos &&
                       std::ranges::none_of(placeholder, [](char c) { return c >= 'A' && c <= 'Z'; });
  std::istringstream words{std::string(placeholder)};
  for (std::string word; literal && std::getline(words, word, '|');) choices.push_back({word, ""});
  return choices;
}

// "NAME KEY=VALUE..." taken apart; what is optional, too.
std::vector<std::string> placeholders_of(const Command& command) {
  std::vector<std::string> placeholders;
  std::istringstream words{std::string(command.arguments)};
  for (std::string word; words >> word;) {
    std::erase_if(word, [](char c) { return c == '[' || c == ']'; });
    if (word != "|" && word != "--all" && word != "--") placeholders.push_back(word);
  }
  return placeholders;
}

class Completing {
 public:
  Completing(const std::vector<std::string>& words, Known& known)
      : words_(words.begin(), words.end() - 1), current_(words.back()), known_(known) {}

  Completion run() {
    if (!find_command_among_words()) return result_;
    // "--format=json", in one word or, as bash takes it apart, in three.
    if (current_.starts_with("--") && current_.find('=') != std::string::npos) {
      const auto equals = current_.find('=');
      prefix_ = current_.substr(0, equals + 1);
      if (const Option* option = find_option(current_.substr(0, equals))) add_values(*option);
      return result_;
    }
    if (!rest_.empty())
      if (const Option* option = find_option(rest_.back()); option && option->value) {
        add_values(*option);
        return result_;
      }
    if (current_.starts_with("-"))
      add_options();
    else
      add_positional();
    return result_;
  }

 private:
  void add(const Candidate& candidate) {
    if ((prefix_ + candidate.text).starts_with(current_))
      result_.candidates.push_back({prefix_ + candidate.text, candidate.summary});
  }
  void add_all(const std::vector<Candidate>& candidates) {
    for (const auto& candidate : candidates) add(candidate);
  }

  const Option* find_option(const std::string& word) const {
    const auto search = [&](std::span<const Option> options) -> const Option* {
      const auto found = std::ranges::find_if(options, [&](const Option& option) {
        return word == dashed(option) || (option.letter && word == std::string("-") + option.letter);
      });
      return found == options.end() ? nullptr : &*found;
    };
    const Option* of_command = command_ ? search(command_->options) : nullptr;
    return of_command ? of_command : search(global_options());
  }

  // The words up to the command's are global options. False: the command itself is being typed, and was answered.
  bool find_command_among_words() {
    std::size_t at = 0;
    for (; at < words_.size() && words_[at].starts_with("-"); ++at)
      if (const Option* option = find_option(words_[at]); option && option->value) {
        if (at + 1 == words_.size()) {
          add_values(*option);
          return false;
        }
        ++at;
      }
    if (at == words_.size()) {
      if (current_.starts_with("-"))
        for (const auto& option : global_options()) add({dashed(option), option.summary});
      else
        add_command_names("");
      return false;
    }
    if (const Command* command = find_command(words_[at])) {
      command_ = command;
      rest_.assign(words_.begin() + static_cast<std::ptrdiff_t>(at) + 1, words_.end());
      return true;
    }
    if (!is_group(words_[at])) return false;
    if (at + 1 == words_.size()) {
      add_command_names(words_[at] + " ");
      return false;
    }
    command_ = find_command(words_[at] + " " + words_[at + 1]);
    if (!command_) return false;
    rest_.assign(words_.begin() + static_cast<std::ptrdiff_t>(at) + 2, words_.end());
    return true;
  }

  // The words that may follow `group` ("" or "image ").
  void add_command_names(const std::string& group) {
    std::string last;
    for (const Command* command : commands()) {
      const std::string name = command->name;
      if (!*command->group || !name.starts_with(group)) continue;
      const std::string word = name.substr(group.size(), name.find(' ', group.size()) - group.size());
      if (word == last) continue;
      last = word;
      add({word, name == group + word ? command->summary : ""});
    }
  }

  void add_options() {
    const auto is_given = [&](const Option& option) {
      return std::ranges::any_of(rest_, [&](const std::string& word) { return find_option(word) == &option; });
    };
    for (const auto options : {command_->options, global_options()})
      for (const auto& option : options)
        if (option.repeatable || !is_given(option)) add({dashed(option), option.summary});
  }

  void add_values(const Option& option) {
    const std::string_view value = option.value ? option.value : "";
    if (value == "DIR" || value.starts_with("FILE")) result_.files = true;
    if (value == "ID") add_all(known_.plugins(true));
    add_all(choices_of(value));
  }

  bool is_given(const std::string& option) const { return std::ranges::find(rest_, option) != rest_.end(); }

  void add_positional() {
    std::vector<std::string> given;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == "--") continue;
      if (!rest_[i].starts_with("-"))
        given.push_back(rest_[i]);
      else if (const Option* option = find_option(rest_[i]); option && option->value)
        ++i;
    }
    auto placeholders = placeholders_of(*command_);
    // The settings of the home folder are nobody's: no name comes first.
    if (is_given("--global") && placeholders.size() > 1) placeholders.erase(placeholders.begin());
    if (placeholders.empty()) return;
    const bool repeats = placeholders.back().ends_with("...");
    if (given.size() >= placeholders.size() && !repeats) return;
    const std::string placeholder = placeholders[std::min(given.size(), placeholders.size() - 1)];
    const std::size_t before = result_.candidates.size();
    add_things(placeholder.substr(0, placeholder.find('.')));
    std::erase_if(result_.candidates, [&](const Candidate& candidate) {
      return before == 0 && std::ranges::find(given, candidate.text) != given.end();
    });
  }

  void add_things(const std::string& what) {
    const std::string_view name = command_->name;
    const bool copies = name == "copy";
    if (what == "KEY" || what == "KEY=VALUE") {
      add_all(is_given("--global") ? with_equals(known_.settings(), what)
                                   : with_equals(known_.properties(what != "KEY"), what));
    } else if (what == "IMAGE" || (what == "NAME" && name.starts_with("image "))) {
      add_all(known_.images());
      result_.files = name == "image import";
    } else if (what == "NAME" || (what == "SOURCE" && !copies)) {
      add_all(known_.instances(name == "recover" || name == "purge"));
    } else if (copies) {
      result_.files = true;
      for (auto instance : known_.instances(false)) {
        instance.text += ":";
        add(instance);
      }
    } else if (what == "ID") {
      add_all(known_.plugins(false));
    } else if (what == "FILE" || what == "DIR") {
      result_.files = true;
    } else {
      add_all(choices_of(what));
    }
  }

  static std::vector<Candidate> with_equals(std::vector<Candidate> candidates, const std::string& what) {
    if (what == "KEY=VALUE")
      for (auto& candidate : candidates) candidate.text += "=";
    return candidates;
  }

  const std::vector<std::string> words_;
  const std::string current_;
  Known& known_;
  const Command* command_ = nullptr;
  std::vector<std::string> rest_;  // after the command, before the word that is being typed
  std::string prefix_;             // stands before each candidate
  Completion result_;
};

// A word ends where bash has its own ends of words, ':' and '=' among them; candidates must begin after the last.
constexpr const char* bash_script = R"(# bash completion for anyvisor
_anyvisor() {
  local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n'
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local current=${words[-1]}
  local prefix=${current%"${current##*[:=]}"}
  local candidate
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    case $candidate in
      :files) compopt -o default ;;
      *) COMPREPLY+=("${candidate#"$prefix"}") ;;
    esac
  done < <("${words[0]}" complete "${words[@]}" 2>/dev/null)
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace
}
complete -F _anyvisor anyvisor
)";

constexpr const char* zsh_script = R"(#compdef anyvisor
# zsh completion for anyvisor
_anyvisor() {
  local line entry
  local -a words_of_their_own beginnings
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      _files
    else
      entry="${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}"
      if [[ $line == *[=:]$'\t'* ]]; then beginnings+=("$entry"); else words_of_their_own+=("$entry"); fi
    fi
  done < <("${words[1]}" complete "${(@)words[1,CURRENT]}" 2>/dev/null)
  (( ${#words_of_their_own} )) && _describe -t values anyvisor words_of_their_own
  (( ${#beginnings} )) && _describe -t values anyvisor beginnings -S ''
}
_anyvisor "$@"
)";

constexpr const char* fish_script = R"(# fish completion for anyvisor
function __anyvisor_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] complete $words 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c anyvisor -f -a '(__anyvisor_complete)'
)";

}  // namespace

Completion complete(const std::vector<std::string>& words, Known& known) {
  return words.empty() ? Completion() : Completing(words, known).run();
}

std::string completion_script(const std::string& shell) {
  return shell == "zsh" ? zsh_script : shell == "fish" ? fish_script : bash_script;
}

}  // namespace anyvisor::cli
