// SPDX-License-Identifier: MIT
#include "output/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "output/text.hpp"

namespace anyvisor::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto first_drawing = 200ms;
constexpr auto redraw = 100ms;
// Fewer than this are counted things, not bytes worth a bar.
constexpr std::uint64_t least_bytes = 1U << 20;

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) && kind && std::string_view(kind) != "dumb";
}

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string seconds_since(std::chrono::steady_clock::time_point begin) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
  return seconds < 2 ? "" : "  " + std::to_string(seconds) + " s";
}

std::string time_left(double seconds) {
  constexpr double minute = 60, hour = 3600;
  const auto rounded = [](double number) { return std::to_string(static_cast<long>(number + 0.5)); };
  if (seconds < 2 * minute) return rounded(seconds) + " s";
  return seconds < 2 * hour ? rounded(seconds / minute) + " min" : rounded(seconds / hour) + " h";
}

}  // namespace

Progress::Progress(std::string title, bool enabled) : title_(one_line(title)) {
  if (enabled && is_terminal()) painter_ = std::thread([this] { draw_until_ended(); });
}

Progress::~Progress() {
  if (!painter_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  painter_.join();
}

void Progress::update(const std::string& phase, std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  if (phase != phase_) {
    phase_ = phase;
    phase_begin_ = Clock::now();
  }
  done_ = done;
  total_ = total;
}

std::string Progress::line(unsigned frame) const {
  constexpr std::array spinner{'|', '/', '-', '\\'};
  std::string text = title_;
  if (!phase_.empty()) text += ": " + one_line(phase_);
  if (total_ < least_bytes) return std::string(1, spinner[frame % spinner.size()]) + " " + text + seconds_since(begin_);
  constexpr std::size_t cells = 20;
  const double part = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  std::string bar(static_cast<std::size_t>(part * cells), '#');
  bar.resize(cells, '.');
  std::array<char, 16> percent{};
  std::snprintf(percent.data(), percent.size(), " %3.0f%%", part * 100);
  text += "  [" + bar + "]" + percent.data();
  const double seconds = std::chrono::duration<double>(Clock::now() - phase_begin_).count();
  if (seconds > 0.5) text += "  " + human_size(static_cast<std::uint64_t>(static_cast<double>(done_) / seconds)) + "/s";
  text += "  of " + human_size(total_);
  // What has just begun tells nothing of the rest yet.
  if (seconds > 0.5 && part > 0.01) text += "  " + time_left(seconds / part * (1 - part)) + " left";
  return text;
}

void Progress::draw_until_ended() {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, first_drawing, [this] { return ended_; })) return;
  for (unsigned frame = 0; !ended_; ++frame) {
    std::string text = line(frame);
    // A line that wraps could not be erased.
    while (!text.empty() && display_width(text) >= terminal_width()) text.pop_back();
    std::fputs(("\r" + text + "\x1b[K").c_str(), stderr);
    std::fflush(stderr);
    changed_.wait_for(lock, redraw, [this] { return ended_; });
  }
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

}  // namespace anyvisor::cli
