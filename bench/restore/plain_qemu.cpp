// SPDX-License-Identifier: MIT
#include "restore/plain_qemu.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace anyvisor::bench {
namespace {

constexpr const char* program = "qemu-system-x86_64";

std::string in_quotes(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

PlainQemu::PlainQemu(const std::string& guest, const std::string& folder, const Size& size,
                     const std::vector<std::string>& more)
    : folder_(folder) {
  for (const char* old : {"/console.sock", "/qmp.sock", "/console.log"}) std::filesystem::remove(folder + old);
  std::vector<std::string> words{
      program,
      "-accel",
      "tcg",
      "-machine",
      "q35",
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-m",
      std::to_string(size.mebibytes) + "M",
      "-kernel",
      guest,
      "-drive",
      "file=" + folder + "/disk.qcow2,format=qcow2,if=none,id=disk",
      "-device",
      "virtio-blk-pci,drive=disk",
      "-chardev",
      "socket,id=console,server=on,wait=off,path=" + folder + "/console.sock,logfile=" + folder + "/console.log",
      "-serial",
      "chardev:console",
      "-qmp",
      "unix:" + folder + "/qmp.sock,server=on,wait=off"};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  started_ = std::chrono::steady_clock::now();
  const int failure = posix_spawnp(&process_, program, &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error(std::string(program) + ": " + std::strerror(failure));
}

PlainQemu::~PlainQemu() {
  end();
}

void PlainQemu::end() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
}

std::chrono::steady_clock::time_point PlainQemu::first_line() {
  return wait_for_growth(folder_ + "/console.log", 0);
}

LineSocket& PlainQemu::console() {
  if (!console_) console_.emplace(folder_ + "/console.sock");
  return *console_;
}

std::string PlainQemu::monitor(const std::string& command) {
  if (!monitor_) {
    monitor_.emplace(folder_ + "/qmp.sock");
    monitor_->wait_for("{\"QMP\"");
    monitor_->send(R"({"execute":"qmp_capabilities"})");
    monitor_->wait_for("{\"return\"");
  }
  monitor_->send(R"({"execute":"human-monitor-command","arguments":{"command-line":)" + in_quotes(command) + "}}");
  return monitor_->wait_for("{\"return\"");
}

}  // namespace anyvisor::bench
