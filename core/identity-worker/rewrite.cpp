// SPDX-License-Identifier: MIT
#include "rewrite.hpp"

#include <sys/random.h>

#include <array>
#include <regex>

#include "document/fill_in.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t longest_slot = 4096;

// Random text that stands nowhere else on the disk. A short one takes all letters that there are, to be told from
// others.
std::string make_placeholder(std::size_t length) {
  constexpr std::string_view hexadecimal = "0123456789abcdef";
  constexpr std::string_view all =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789#%&()*+,-./:;<=>?@[]^_{|}~";
  constexpr std::size_t short_length = 24;
  const std::string_view letters = length < short_length ? all : hexadecimal;
  const std::size_t filled = length < short_length ? length : length - 1;
  std::string text(length, '\n');
  std::array<unsigned char, 256> random{};
  for (std::size_t at = 0; at < filled; ++at) {
    if (at % random.size() == 0 && getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
      throw Failure(ErrorKind::internal, "there are no random numbers");
    text[at] = letters[random[at % random.size()] % letters.size()];
  }
  return text;
}

}  // namespace

void Rewrite::run() {
  for (const auto& unit : units()) {
    unit_ = unit.name;
    if (skip_.contains(unit_)) continue;
    unit.apply(*this);
  }
  if (mode_ != Mode::describe) carry_out();
}

void Rewrite::carry_out() {
  for (const auto& change : changes_)
    if (change.kind != Change::Kind::create) guest_.erase(change.path);
  guest_.flush();
  for (const auto& change : changes_) {
    if (change.kind == Change::Kind::write) guest_.write(change.path, change.content);
    if (change.kind == Change::Kind::create) guest_.create(change.path, change.content);
    if (change.kind == Change::Kind::remove) guest_.remove(change.path);
  }
}

std::string Rewrite::file(const std::string& name) {
  const Entry entry = guest_.look(name);
  if (!entry.exists()) return {};
  if (entry.kind == Entry::Kind::nothing)
    keep(name, "a link that leads to nothing in the guest");
  else if (entry.kind != Entry::Kind::file)
    keep(name, "it is no file");
  else if (!is_done(entry.path))
    return entry.path;
  else if (entry.link)
    keep(name, "a link: it follows " + entry.path);
  return {};
}

std::optional<std::string> Rewrite::text(const std::string& path) {
  auto text = guest_.read(path);
  if (!text) {
    keep(path, "it is too long for a file of its kind");
    return std::nullopt;
  }
  // {mac0}, {mac1-dashed}; {macaddress: ...} is netplan's.
  static const std::regex variable(
      R"(\{(machine-id|hostname|mac[0-9]+(-dashed)?|ssh-[a-z0-9-]+|iscsi-suffix|nvme-uuid|host-id)\})");
  if (std::smatch found; std::regex_search(*text, found, variable)) {
    keep(path, "it holds \"" + found.str() + "\", which stands for a clone's own value here");
    return std::nullopt;
  }
  return text;
}

void Rewrite::write(const std::string& path, const std::string& text, std::size_t length) {
  actions_.push_back({unit_, "write", path, ""});
  done_.insert(path);
  if (mode_ == Mode::describe) return;
  if (mode_ == Mode::rewrite) {
    std::string content = fill_in(text, variables_);
    if (content.size() < length && content.ends_with('\n')) content.resize(length, '\n');
    changes_.push_back({Change::Kind::write, path, std::move(content)});
    return;
  }
  Slot slot{unit_, path, text, make_placeholder(length), length, "", 0};
  if (length > longest_slot) slot.distrust = "it is longer than " + std::to_string(longest_slot) + " bytes";
  changes_.push_back({Change::Kind::write, path, slot.placeholder});
  slots_.push_back(std::move(slot));
}

void Rewrite::create(const std::string& name, const std::string& text, const std::string& reason) {
  const Entry entry = guest_.look(name);
  if (entry.kind == Entry::Kind::folder && !entry.link) return keep(name, "it is no file");
  actions_.push_back({unit_, "write", name, reason});
  done_.insert(entry.exists() ? entry.own : name);
  if (entry.exists()) changes_.push_back({Change::Kind::remove, entry.own, ""});
  changes_.push_back({Change::Kind::create, name, text});
}

void Rewrite::remove(const std::string& name) {
  const Entry entry = guest_.look(name);
  if (!entry.exists() || !done_.insert(entry.own).second) return;
  actions_.push_back({unit_, "remove", entry.own, ""});
  changes_.push_back({Change::Kind::remove, entry.own, ""});
}

void Rewrite::remove_secret(const std::string& name) {
  const Entry entry = guest_.look(name);
  if (entry.link && entry.kind == Entry::Kind::file && done_.insert(entry.path).second) {
    actions_.push_back({unit_, "remove", entry.path, name + " leads there"});
    changes_.push_back({Change::Kind::remove, entry.path, ""});
  }
  remove(name);
}

void Rewrite::keep(const std::string& path, const std::string& reason) {
  actions_.push_back({unit_, "keep", path, reason});
}

}  // namespace anyvisor::identity
