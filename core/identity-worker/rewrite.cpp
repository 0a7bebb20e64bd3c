// SPDX-License-Identifier: MIT
#include "rewrite.hpp"

#include <sys/random.h>

#include <array>

#include "document/fill_in.hpp"

namespace anyvisor::identity {
namespace {

constexpr std::size_t longest_slot = 4096;

// Random text that stands nowhere else on the disk.
std::string make_placeholder(std::size_t length) {
  constexpr std::string_view letters = "0123456789abcdef";
  std::string text(length, '\n');
  std::array<unsigned char, 256> random{};
  for (std::size_t at = 0; at + 1 < length; ++at) {
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
}

void Rewrite::write(const std::string& path, const std::string& text, std::size_t length) {
  actions_.push_back({unit_, "write", path, ""});
  if (mode_ == Mode::describe) return;
  if (mode_ == Mode::rewrite) {
    std::string content = fill_in(text, variables_);
    if (content.size() < length && content.ends_with('\n')) content.resize(length, '\n');
    return guest_.overwrite(path, content);
  }
  Slot slot{unit_, path, text, make_placeholder(length), length, "", 0};
  if (length > longest_slot) slot.distrust = "it is longer than " + std::to_string(longest_slot) + " bytes";
  guest_.overwrite(path, slot.placeholder);
  slots_.push_back(std::move(slot));
}

void Rewrite::create(const std::string& path, const std::string& text) {
  actions_.push_back({unit_, "write", path, ""});
  if (mode_ != Mode::describe) guest_.create(path, text);
}

void Rewrite::remove(const std::string& path) {
  actions_.push_back({unit_, "remove", path, ""});
  if (mode_ != Mode::describe) guest_.remove(path);
}

void Rewrite::keep(const std::string& path, const std::string& reason) {
  actions_.push_back({unit_, "keep", path, reason});
}

}  // namespace anyvisor::identity
