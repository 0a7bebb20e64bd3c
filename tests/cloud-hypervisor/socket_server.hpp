// SPDX-License-Identifier: MIT
// The other end of an API call: a socket server that hears one request and answers in pieces, at times of the test's
// choosing. It knows nothing of what Cloud Hypervisor does: that its answers look like these has to be seen elsewhere.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "instance_folder.hpp"

namespace anyvisor::cloud_hypervisor::test {

struct Piece {
  std::string bytes;
  std::chrono::milliseconds before{0};  // waits so long before it sends them
};

// Serves one connection in a thread of its own, then hangs up (or, with `hold`, keeps the connection until it goes).
class SocketServer {
 public:
  explicit SocketServer(std::vector<Piece> reply, bool hold = false, bool hears = true)
      : reply_(std::move(reply)), hold_(hold), hears_(hears) {
    std::string pattern = (std::filesystem::temp_directory_path() / "anyvisor-api-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    listener_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = this->address();
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    EXPECT_EQ(::pipe(stop_), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~SocketServer() {
    ::close(stop_[1]);
    thread_.join();
    ::close(stop_[0]);
    std::filesystem::remove_all(folder_);
  }
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  Descriptor connect() const {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = this->address();
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  // What it has heard. Only after the call has ended.
  std::string heard() {
    while (!done_hearing_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return heard_;
  }

 private:
  sockaddr_un address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (folder_ / "api.sock").string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  bool stopped_within(std::chrono::milliseconds time) const {
    pollfd stop{stop_[0], POLLHUP, 0};
    return ::poll(&stop, 1, static_cast<int>(time.count())) > 0;
  }
  bool request_is_whole() const {
    const auto head = heard_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const auto length = heard_.find("Content-Length: ");
    if (length == std::string::npos) return true;
    return heard_.size() >= head + 4 + std::stoul(heard_.substr(length + 16));
  }
  void serve() {
    std::array<pollfd, 2> polled{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_[0], POLLHUP, 0}};
    ::poll(polled.data(), polled.size(), -1);
    if (polled[1].revents != 0) return;
    const Descriptor peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char buffer[65536];
    while (hears_ && !request_is_whole()) {
      const ssize_t got = ::recv(peer.get(), buffer, sizeof buffer, 0);
      if (got <= 0) break;
      heard_.append(buffer, static_cast<std::size_t>(got));
    }
    done_hearing_ = true;
    for (const auto& piece : reply_) {
      if (piece.before.count() > 0 && stopped_within(piece.before)) return;
      if (::send(peer.get(), piece.bytes.data(), piece.bytes.size(), MSG_NOSIGNAL) < 0) return;
    }
    if (hold_) stopped_within(std::chrono::hours(1));
  }

  std::filesystem::path folder_;
  Descriptor listener_;
  int stop_[2] = {-1, -1};
  std::vector<Piece> reply_;
  bool hold_, hears_;
  std::string heard_;
  std::atomic<bool> done_hearing_{false};
  std::thread thread_;
};

}  // namespace anyvisor::cloud_hypervisor::test
