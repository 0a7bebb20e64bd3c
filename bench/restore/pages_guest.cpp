// SPDX-License-Identifier: MIT
#include "restore/pages_guest.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace anyvisor::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{120};
constexpr unsigned page = 4096;

}  // namespace

LineSocket::LineSocket(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long for a socket");
  std::copy(path.begin(), path.end(), address.sun_path);
  const auto until = Clock::now() + patience;
  while (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (Clock::now() > until) throw std::runtime_error(path + ": " + std::strerror(errno));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

LineSocket::~LineSocket() {
  ::close(socket_);
}

void LineSocket::send(const std::string& line) {
  const std::string text = line + "\n";
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t done = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (done < 0 && errno != EINTR) throw std::runtime_error(std::string("a guest's line: ") + std::strerror(errno));
    if (done > 0) sent += static_cast<std::size_t>(done);
  }
}

std::string LineSocket::wait_for(const std::string& beginning) {
  const auto until = Clock::now() + patience;
  for (;;) {
    for (auto end = received_.find('\n'); end != std::string::npos; end = received_.find('\n')) {
      const std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.rfind("error", 0) == 0 || line.rfind("spoilt", 0) == 0)
        throw std::runtime_error("the guest says: " + line);
      if (line.rfind(beginning, 0) == 0) return line;
    }
    pollfd readable{socket_, POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0)
      throw std::runtime_error("no line \"" + beginning + "...\" came");
    std::array<char, 65536> chunk{};
    const ssize_t got = ::read(socket_, chunk.data(), chunk.size());
    if (got == 0) throw std::runtime_error("the line was closed before \"" + beginning + "...\" came");
    if (got > 0) received_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

void touch(LineSocket& console, const Size& size) {
  std::ostringstream line;
  line << 'w' << std::hex << size.touched_bytes() / page;
  console.send(line.str());
  console.wait_for("written ");
}

void check_touched(LineSocket& console) {
  console.send("v");
  console.wait_for("intact ");
}

std::chrono::steady_clock::time_point wait_for_growth(const std::string& log, std::uint64_t size) {
  const auto until = Clock::now() + patience;
  while (size_of(log) <= size) {
    if (Clock::now() > until) throw std::runtime_error("the guest says nothing: " + log);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return Clock::now();
}

std::uint64_t size_of(const std::string& file) {
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace anyvisor::bench
