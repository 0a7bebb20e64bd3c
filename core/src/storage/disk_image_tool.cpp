// SPDX-License-Identifier: MIT
#include "storage/disk_image_tool.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <vector>

#include "document/json.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

constexpr std::chrono::hours time_limit{24};  // a large disk on slow storage

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string mebibytes(std::uint64_t bytes) {
  constexpr std::uint64_t mebibyte = 1ULL << 20;
  return std::to_string((bytes + mebibyte - 1) / mebibyte) + " MiB";
}

// The last of the "    (12.34/100%)\r" that -p prints.
double percent_of(std::string_view output) {
  const auto at = output.rfind('(');
  return at == std::string_view::npos ? 0 : std::strtod(std::string(output.substr(at + 1)).c_str(), nullptr);
}

tl::unexpected<Error> explain(const Captured& ran, const std::string& what) {
  constexpr std::string_view own_name = "qemu-img: ";
  std::string text = json::valid_utf8(ran.errors.substr(0, ran.errors.find('\n')));
  if (text.starts_with(own_name)) text.erase(0, own_name.size());
  if (text.empty()) text = "status " + std::to_string(ran.status);
  if (ran.errors.find("No space left on device") != std::string::npos ||
      ran.errors.find("Disk quota exceeded") != std::string::npos)
    return fail(ErrorKind::exhausted, "cannot " + what + ": the disk of this machine is full (" + text + ")",
                "make room and try again");
  return fail(ErrorKind::backend_failed, "cannot " + what + ": qemu-img: " + text);
}

Result<std::string> run_tool(std::vector<std::string> arguments, const std::string& what, Operation& operation,
                             std::uint64_t total = 0) {
  Command command;
  command.argv = std::move(arguments);
  command.argv.insert(command.argv.begin(), "qemu-img");
  const std::string phase = operation.phases.empty() ? what : operation.phases.back().name;
  std::function<void(std::string_view)> heard;
  if (total != 0 && operation.progress)
    heard = [&](std::string_view output) {
      operation.progress(phase, static_cast<std::uint64_t>(percent_of(output) / 100 * static_cast<double>(total)),
                         total);
    };
  auto ran = run(command, std::chrono::steady_clock::now() + time_limit, operation.cancel_fd, {}, heard);
  if (!ran && ran.error().kind == ErrorKind::not_found)
    return fail(ErrorKind::unavailable, "cannot " + what + ": qemu-img is not installed", "apt install qemu-utils");
  if (!ran && ran.error().kind == ErrorKind::cancelled) return fail(ErrorKind::cancelled, "cancelled");
  if (!ran) return in_context("cannot " + what, std::move(ran).error());
  if (ran->status != 0) return explain(*ran, what);
  return std::move(ran->output);
}

}  // namespace

Result<std::uint64_t> measure_content(const DiskFile& disk, Operation& operation) {
  ANYVISOR_TRY(std::string text, run_tool({"measure", "--output", "json", "-f", disk.format, "-O", "qcow2", disk.path},
                                          "measure a disk", operation));
  ANYVISOR_TRY(auto answer, json::parse_object(text, "what qemu-img measured"));
  return json::uint_or(answer, "required", 0);
}

Result<void> check_space(const std::string& folder, std::uint64_t needed, const std::string& what) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return fail_errno("cannot look at \"" + folder + "\"", errno);
  const std::uint64_t free = std::uint64_t{::geteuid() == 0 ? status.f_bfree : status.f_bavail} * status.f_frsize;
  if (needed <= free) return {};
  return fail(ErrorKind::exhausted,
              "cannot " + what + ": it takes up to " + mebibytes(needed) + ", and " + mebibytes(free) +
                  " are free in " + folder,
              "make room and try again");
}

Result<void> copy_content(const DiskFile& from, const DiskFile& to, std::uint64_t total, Operation& operation) {
  ANYVISOR_CHECK(run_tool({"convert", "-p", "-f", from.format, "-O", to.format, from.path, to.path}, "copy a disk",
                          operation, total));
  return {};
}

Result<void> move_overlay(const std::string& overlay, const DiskFile& below, std::uint64_t total,
                          Operation& operation) {
  ANYVISOR_CHECK(run_tool({"rebase", "-p", "-f", "qcow2", "-b", file_name(below.path), "-F", below.format, overlay},
                          "merge disks", operation, total));
  return {};
}

Result<void> merge_into(const std::string& overlay, const DiskFile& below, Operation& operation) {
  // -u: its header alone is changed, as the twin has the same content.
  ANYVISOR_CHECK(run_tool({"rebase", "-u", "-f", "qcow2", "-b", file_name(below.path), "-F", below.format, overlay},
                          "merge disks", operation));
  ANYVISOR_CHECK(run_tool({"commit", "-q", "-d", "-f", "qcow2", overlay}, "merge disks", operation));
  return {};
}

Result<void> grow_disk(const DiskFile& disk, std::uint64_t size, Operation& operation) {
  ANYVISOR_CHECK(
      run_tool({"resize", "-q", "-f", disk.format, disk.path, std::to_string(size)}, "grow a disk", operation));
  return {};
}

}  // namespace anyvisor
