// SPDX-License-Identifier: MIT
// The machine's name, where its system keeps it.
#include <cctype>
#include <set>
#include <sstream>

#include "rewrite.hpp"
#include "unit_rooms.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t longest_name = 63;
const std::string variable = "{hostname}";

// What may stand in a host name: on both sides of a whole word there is something else.
bool in_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

// Where a host name's first label stands in a text.
struct Label {
  std::size_t at = 0, length = 0;
};

// In /etc/hostname, whose format allows comments: the first label of the first line that is none.
std::optional<Label> label_of(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto begin = text.find_first_not_of(" \t\r", at);
    if (begin < end && text[begin] != '#') {
      auto stop = begin;
      while (stop < end && in_name(text[stop])) ++stop;
      const bool ends = stop == end || text[stop] == '.' || std::isspace(static_cast<unsigned char>(text[stop])) != 0;
      if (stop == begin || !ends) return std::nullopt;
      return Label{begin, stop - begin};
    }
    at = end + 1;
  }
  return std::nullopt;
}

// Behind KEY= in a file that shells read.
std::optional<Label> assigned_label(const std::string& text, const std::string& key) {
  auto at = text.starts_with(key + "=") ? 0 : text.find("\n" + key + "=");
  if (at == std::string::npos) return std::nullopt;
  at = text.find('=', at) + 1;
  if (at < text.size() && (text[at] == '"' || text[at] == '\'')) ++at;
  auto end = at;
  while (end < text.size() && in_name(text[end])) ++end;
  if (end == at) return std::nullopt;
  return Label{at, end - at};
}

void put_name(Rewrite& rewrite, const std::string& path, std::string text, Label label) {
  text.replace(label.at, label.length, variable);
  if (!text.ends_with('\n')) text += '\n';
  rewrite.write(path, text, text.size() - variable.size() + longest_name);
}

// "web" in "web web.example webserver": the first two, not the third.
std::size_t replace_words(std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); !word.empty() && at != std::string::npos; at = text.find(word, at)) {
    const bool whole = (at == 0 || !(in_name(text[at - 1]) || text[at - 1] == '.')) &&
                       (at + word.size() == text.size() || !in_name(text[at + word.size()]));
    if (!whole) {
      at += word.size();
      continue;
    }
    text.replace(at, word.size(), variable);
    at += variable.size();
    ++count;
  }
  return count;
}

// What the machine is called: by us, and inside, where it may have got another name.
std::set<std::string> names_now(Rewrite& rewrite) {
  std::set<std::string> names{rewrite.source().name};
  const Entry entry = rewrite.guest().look("/etc/hostname");
  if (entry.kind == Entry::Kind::file) {
    const std::string text = rewrite.guest().read(entry.path).value_or("");
    if (const auto label = label_of(text)) names.insert(text.substr(label->at, label->length));
  }
  names.erase("");
  names.erase("localhost");
  return names;
}

}  // namespace

void hosts(Rewrite& rewrite) {
  const std::string path = rewrite.file("/etc/hosts");
  if (path.empty()) return;
  const auto now = rewrite.text(path);
  if (!now) return;
  const auto names = names_now(rewrite);
  std::string text;
  std::size_t count = 0;
  for (std::size_t at = 0; at < now->size();) {
    const auto end = std::min(now->find('\n', at), now->size());
    const std::string line = now->substr(at, end - at);
    // ADDRESS NAME... # COMMENT: only the names.
    const auto comment = std::min(line.find('#'), line.size());
    const auto address = std::min(line.find_first_not_of(" \t"), comment);
    const auto begin = std::min(line.find_first_of(" \t", address), comment);
    std::string words = line.substr(begin, comment - begin);
    for (const auto& name : names) count += replace_words(words, name);
    text += line.substr(0, begin) + words + line.substr(comment) + "\n";
    at = end + 1;
  }
  if (count > 0) rewrite.write(path, text, text.size() - count * variable.size() + count * longest_name);
}

void hostname(Rewrite& rewrite) {
  for (const char* name : {"/etc/hostname", "/etc/HOSTNAME"}) {
    const std::string path = rewrite.file(name);
    if (path.empty()) continue;
    const auto text = rewrite.text(path);
    if (!text) continue;
    const bool one_line = text->find('\n') >= text->size() - (text->empty() ? 0 : 1);
    if (const auto label = label_of(*text))
      put_name(rewrite, path, *text, *label);
    else if (one_line)
      put_name(rewrite, path, "", {});  // empty, or no name at all
    else
      rewrite.keep(path, "it holds no name");
  }
  // OpenRC's and the older Red Hat's.
  const std::pair<const char*, const char*> settings[] = {{"/etc/conf.d/hostname", "hostname"},
                                                          {"/etc/sysconfig/network", "HOSTNAME"}};
  for (const auto& [name, key] : settings) {
    if (rewrite.guest().look(name).kind != Entry::Kind::file) continue;
    const std::string path = rewrite.file(name);
    if (path.empty()) continue;
    const auto text = rewrite.text(path);
    if (!text) continue;
    if (const auto label = assigned_label(*text, key)) put_name(rewrite, path, *text, *label);
  }
}

}  // namespace anyvisor::identity
