// SPDX-License-Identifier: MIT
#include "appliance_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "document/json.hpp"
#include "storage/fd.hpp"

namespace anyvisor::identity {
namespace {

// What libguestfs puts behind a folder for its sockets: /libguestfsXXXXXX/guestfsd.sock, and room to spare.
constexpr std::size_t longest_folder_for_sockets = sizeof(sockaddr_un::sun_path) - 40;
constexpr int pause_ms = 20;

Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.c_str(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  if (!write_all(fd.get(), "{\"execute\":\"qmp_capabilities\"}\n")) return {};
  return fd;
}

// The appliance, and the programs with which it is made: libguestfs sees them end, and gives up properly.
void kill_children() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(thread.path() / "children");
    for (int pid = 0; list >> pid;) ::kill(pid, SIGKILL);
  }
}

}  // namespace

ApplianceWatch::ApplianceWatch(std::string scratch) : scratch_(std::move(scratch)) {
  if (!scratch_.empty()) {
    if (::mkdir(scratch_.c_str(), 0700) != 0)
      throw Failure(ErrorKind::unavailable, "cannot make the folder \"" + scratch_ + "\": " + std::strerror(errno),
                    "see whether there is room in TMPDIR");
    if (scratch_.size() <= longest_folder_for_sockets) ::setenv("XDG_RUNTIME_DIR", scratch_.c_str(), 1);
  }
  sigset_t terminate;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &terminate, nullptr);
  signals_ = ::signalfd(-1, &terminate, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { watch(); });
}

ApplianceWatch::~ApplianceWatch() {
  ::eventfd_write(wake_, 1);
  thread_.join();
  ::close(signals_);
  ::close(wake_);
  std::error_code ignored;
  if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

std::string ApplianceWatch::monitor() const {
  const std::string path = scratch_ + "/monitor";
  return scratch_.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ? "" : path;
}

std::optional<Failure> ApplianceWatch::cause() {
  const std::lock_guard guard(mutex_);
  return cause_;
}

void ApplianceWatch::end_appliance(Failure cause) {
  const std::lock_guard guard(mutex_);
  if (!cause_) cause_ = std::move(cause);
}

void ApplianceWatch::read_events(int monitor) {
  std::array<char, 4096> chunk{};
  const ssize_t got = ::recv(monitor, chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got > 0) unread_.append(chunk.data(), static_cast<std::size_t>(got));
  for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
    const auto event = json::parse_object(unread_.substr(0, end), "an event of QEMU");
    unread_.erase(0, end + 1);
    if (!event || json::string_or(*event, "event") != "BLOCK_IO_ERROR") continue;
    const auto* data = json::object_or_null(*event, "data");
    if (data && json::string_or(*data, "operation") == "read") continue;  // the guest's kernel reports these itself
    const bool own = data && json::string_or(*data, "device") == "appliance";
    const std::string what = own ? "temporary files in \"" + scratch_ + "\"" : "what is written to the guest's disk";
    if (data && json::bool_or(*data, "nospace", false))
      end_appliance({ErrorKind::exhausted, "there is no space left for " + what,
                     own ? "make room, or set TMPDIR to a folder with more of it"
                         : "make room, or move the home folder to a larger file system"});
    else
      end_appliance({ErrorKind::backend_failed, "the host cannot store " + what +
                                                    (data ? ": " + json::string_or(*data, "reason") : std::string())});
  }
}

void ApplianceWatch::watch() {
  Fd monitor;
  const std::string path = this->monitor();
  while (true) {
    std::array<pollfd, 3> watched{{{wake_, POLLIN, 0}, {signals_, POLLIN, 0}, {monitor.get(), POLLIN, 0}}};
    // Until QEMU listens there is nothing to wait on.
    const bool ending = cause().has_value(), waiting = !monitor && !path.empty();
    ::poll(watched.data(), watched.size(), ending || waiting ? pause_ms : -1);
    if (watched[0].revents != 0) return;
    if (watched[1].revents != 0) {
      signalfd_siginfo seen{};
      static_cast<void>(!::read(signals_, &seen, sizeof seen));
      end_appliance({ErrorKind::cancelled, "whoever asked for it is gone"});
    }
    if (watched[2].revents != 0) {
      read_events(monitor.get());
      if ((watched[2].revents & POLLHUP) != 0) monitor.reset();
    }
    if (ending || cause()) kill_children();
    if (!monitor && !path.empty()) monitor = connect_to(path);
  }
}

}  // namespace anyvisor::identity
