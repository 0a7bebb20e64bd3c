// SPDX-License-Identifier: MIT
// The machine's name, where its system keeps it.
#include <cctype>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t longest_name = 63;
constexpr std::size_t hostname_length = longest_name + 1;

// What may stand in a host name: on both sides of a whole word there is something else.
bool in_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

std::string first_word(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_first_of(" \t\r\n.", begin) - begin);
}

// "web" in "web web.example webserver": the first two, not the third.
std::size_t replace_words(std::string& text, const std::string& word, const std::string& by) {
  std::size_t count = 0;
  for (auto at = text.find(word); !word.empty() && at != std::string::npos; at = text.find(word, at)) {
    const bool whole = (at == 0 || !(in_name(text[at - 1]) || text[at - 1] == '.')) &&
                       (at + word.size() == text.size() || !in_name(text[at + word.size()]));
    if (!whole) {
      at += word.size();
      continue;
    }
    text.replace(at, word.size(), by);
    at += by.size();
    ++count;
  }
  return count;
}

}  // namespace

void hostname(Rewrite& rewrite) {
  for (const std::string path : {"/etc/hostname", "/etc/HOSTNAME"}) {
    if (!rewrite.guest().exists(path)) continue;
    if (rewrite.guest().is_file(path))
      rewrite.write(path, "{hostname}\n", hostname_length);
    else
      rewrite.keep(path, "a link: it follows the file that it names");
  }
}

void hosts(Rewrite& rewrite) {
  const std::string path = "/etc/hosts";
  if (!rewrite.guest().is_file(path)) return;
  std::string text = rewrite.guest().read(path);
  const std::string variable = "{hostname}";
  std::size_t count = replace_words(text, rewrite.source().name, variable);
  // The system may have got another name from inside.
  if (rewrite.guest().is_file("/etc/hostname")) {
    const std::string inner = first_word(rewrite.guest().read("/etc/hostname"));
    if (inner != rewrite.source().name && inner != "localhost") count += replace_words(text, inner, variable);
  }
  if (count == 0) return;
  if (!text.ends_with('\n')) text += '\n';
  rewrite.write(path, text, text.size() - count * variable.size() + count * longest_name);
}

}  // namespace anyvisor::identity
