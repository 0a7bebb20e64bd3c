// SPDX-License-Identifier: MIT
#include "accelerator_probe.hpp"

#include <anyvisor/plugin.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "log.hpp"
#include "process/spawn.hpp"
#include "storage/atomic_file.hpp"
#include "storage/cache_file.hpp"
#include "storage/fd.hpp"

namespace anyvisor::host {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A working accelerator runs the probe at least as fast as emulation; half of that leaves room for a busy host. A
// broken one, where the kernel interprets each instruction, is slower by a factor of 10 to 100.
constexpr double slowest_useful = 2.0;
constexpr milliseconds default_limit{5000};
// How many times the candidate's limit emulation may take: a host that is slow itself (busy, or a guest of another) is
// slow at both, and only the comparison tells that from a broken accelerator.
constexpr int baseline_patience = 8;
constexpr std::size_t longest_reason = 300;

struct Trial {
  bool ran = false;  // the marker appeared
  double milliseconds_taken = 0;
  bool out_of_time = false;
  std::string problem;
};

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  text = text.substr(text.rfind('\n') + 1);
  return text.size() > longest_reason ? text.substr(0, longest_reason) + "..." : text;
}

std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  return line.size() > longest_reason ? line.substr(0, longest_reason) + "..." : line;
}

Result<Trial> try_it(const json::Value& what, milliseconds limit, Clock::time_point deadline, int cancel_fd) {
  Command command;
  command.argv = json::strings_or_empty(what, "argv");
  std::string marker = json::string_or(what, "marker");
  Trial trial;
  auto start = Clock::now();
  auto ran = run(command, std::min(deadline, start + limit), cancel_fd);
  trial.milliseconds_taken = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (!ran) {
    // Only its own time limit says something about the accelerator; that the caller has run out of time does not.
    if (ran.error().kind != ErrorKind::timeout || Clock::now() >= deadline)
      return tl::unexpected(std::move(ran).error());
    trial.out_of_time = true;
    trial.problem = "it did not finish within " + std::to_string(limit.count()) + " ms";
    return trial;
  }
  trial.ran = ran->output.find(marker) != std::string::npos;
  if (!trial.ran) {
    std::string said = first_line(ran->errors);
    if (said.empty()) said = last_line(ran->output);
    trial.problem = (ran->status >= 128 ? "killed by signal " + std::to_string(ran->status - 128)
                                        : "exit code " + std::to_string(ran->status)) +
                    (said.empty() ? "" : ": " + json::valid_utf8(said));
  }
  return trial;
}

std::string cpu_model() {
  auto text = read_file("/proc/cpuinfo");
  if (!text) return {};
  auto at = text->find("model name");
  return at == std::string::npos ? std::string() : text->substr(at, text->find('\n', at) - at);
}

// All that the answer depends on.
std::string make_key(const json::Value& request) {
  utsname system{};
  uname(&system);
  struct stat device {};
  std::string kvm = "none";
  if (stat("/dev/kvm", &device) == 0)
    kvm = std::to_string(device.st_ino) + " " + std::to_string(device.st_mode) + " " + std::to_string(device.st_gid);
  return json::string_or(request, "key") + "\n" + json::string_or(*json::find(request, "candidate"), "name") + "\n" +
         system.release + " " + system.version + "\n" + cpu_model() + "\n" + kvm;
}

json::Document make_reply(bool usable, const std::string& reason, bool cached) {
  auto reply = json::make_object();
  json::set(reply, reply, "usable", usable);
  json::set(reply, reply, "reason", reason);
  json::set(reply, reply, "cached", cached);
  return reply;
}

struct Comparison {
  bool usable = false;
  std::string reason;
  bool slow_host = false;  // time has decided, on a host that is so slow that a hiccup can look like that
};

// One run of each.
Result<Comparison> compare(const std::string& name, const json::Value& candidate, const json::Value& baseline,
                           milliseconds limit, Clock::time_point deadline, int cancel_fd) {
  ANYVISOR_TRY(Trial compared, try_it(baseline, limit * baseline_patience, deadline, cancel_fd));
  const auto following = milliseconds(static_cast<std::int64_t>(compared.milliseconds_taken * slowest_useful) + 1);
  // Emulation that has not finished has been slow at least for so long.
  const bool slow_host = (compared.ran || compared.out_of_time) && following > limit;
  ANYVISOR_TRY(Trial tried, try_it(candidate, slow_host ? following : limit, deadline, cancel_fd));
  if (!tried.ran)
    return Comparison{false, name + " does not run a 64-bit guest here (" + tried.problem + ")",
                      slow_host && tried.out_of_time};
  const double ratio = compared.milliseconds_taken > 0 ? tried.milliseconds_taken / compared.milliseconds_taken : 0;
  const bool usable = !compared.ran || ratio <= slowest_useful;
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%s runs a 64-bit guest %s (%.0f ms, emulation %.0f ms)", name.c_str(),
                usable ? "well" : "far slower than emulation", tried.milliseconds_taken, compared.milliseconds_taken);
  return Comparison{usable, text.data(), slow_host};
}

// How many times slower than usual this host is at what a VMM's start is made of: pages of memory that come when they
// are touched. 1 on usual hosts; 6 in a machine that is emulated itself.
double slowness_of_host() {
  constexpr std::size_t size = 8U << 20, page = 4096;
  constexpr double usual_ms = 8;
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    const auto start = Clock::now();
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
    for (std::size_t at = 0; at < size; at += page) static_cast<volatile char*>(memory)[at] = 1;
    munmap(memory, size);
    const double taken = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    best = round == 0 ? taken : std::min(best, taken);
  }
  return std::max(1.0, best / usual_ms);
}

// Nothing to compare with: a time limit decides, a longer one where the host is slow itself.
Result<Comparison> judge_by_time(const std::string& name, const json::Value& candidate, milliseconds limit,
                                 Clock::time_point deadline, int cancel_fd) {
  const double slowness = slowness_of_host();
  const auto allowed = milliseconds(static_cast<std::int64_t>(static_cast<double>(limit.count()) * slowness));
  ANYVISOR_TRY(Trial tried, try_it(candidate, allowed, deadline, cancel_fd));
  if (!tried.ran)
    return Comparison{false, name + " does not run a 64-bit guest here (" + tried.problem + ")",
                      slowness > slowest_useful && tried.out_of_time};
  return Comparison{
      true,
      name + " runs a 64-bit guest (" + std::to_string(static_cast<std::int64_t>(tried.milliseconds_taken)) + " ms)",
      false};
}

Result<Comparison> judge(const json::Value& request, Clock::time_point deadline, int cancel_fd) {
  const auto& candidate = *json::find(request, "candidate");
  const auto* baseline = json::object_or_null(request, "baseline");
  const std::string name = json::string_or(candidate, "name");
  const auto limit = milliseconds(json::int_or(request, "limit_ms", default_limit.count()));
  return baseline ? compare(name, candidate, *baseline, limit, deadline, cancel_fd)
                  : judge_by_time(name, candidate, limit, deadline, cancel_fd);
}

}  // namespace

Result<json::Document> probe_accelerator(const json::Value& request, const std::string& home,
                                         Clock::time_point deadline, int cancel_fd) {
  if (!json::object_or_null(request, "candidate"))
    return fail(ErrorKind::invalid_argument, "a probe needs a candidate", "", "/candidate");
  std::string key = make_key(request), file = cache_file_name("accelerator", key);
  if (!home.empty())
    if (auto text = read_file(home + "/cache/" + file))
      if (auto known = json::parse_object(*text, file); known && json::string_or(*known, "key") == key)
        return make_reply(json::bool_or(*known, "usable", false), json::string_or(*known, "reason"), true);

  ANYVISOR_TRY(Comparison compared, judge(request, deadline, cancel_fd));
  if (!compared.usable && compared.slow_host) {
    ANYVISOR_TRY(compared, judge(request, deadline, cancel_fd));
  }
  const auto& [usable, reason, slow_host] = compared;
  write_log(ANYVISOR_LOG_INFO, "accelerator probe: " + reason);
  if (!home.empty()) {
    auto known = make_reply(usable, reason, false);
    json::set(known, known, "key", key);
    (void)write_file_atomically(home + "/cache", file, json::render_pretty(known), "cache.accelerator");
  }
  return make_reply(usable, reason, false);
}

}  // namespace anyvisor::host
