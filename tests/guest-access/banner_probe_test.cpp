// SPDX-License-Identifier: MIT
#include "guest/banner_probe.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Takes every connection and greets it so long afterwards, as a guest does that has hardly any processor time.
class SlowServer {
 public:
  explicit SlowServer(std::chrono::milliseconds delay) : delay_(delay), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_.get(), 64), 0);
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~SlowServer() {
    ended_ = true;
    thread_.join();
  }
  SlowServer(const SlowServer&) = delete;
  SlowServer& operator=(const SlowServer&) = delete;
  std::uint16_t port() const { return port_; }
  std::size_t taken() const { return taken_; }

 private:
  struct Client {
    Fd socket;
    Clock::time_point came;
  };
  void serve() {
    std::vector<Client> clients;
    while (!ended_) {
      pollfd coming{socket_.get(), POLLIN, 0};
      if (::poll(&coming, 1, 20) == 1) {
        clients.push_back({Fd(::accept(socket_.get(), nullptr, nullptr)), Clock::now()});
        ++taken_;
      }
      constexpr std::string_view greeting = "SSH-2.0-slow\r\n";
      std::erase_if(clients, [&](const Client& client) {
        if (Clock::now() - client.came < delay_) return false;
        (void)::send(client.socket.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
        return true;
      });
    }
  }

  const std::chrono::milliseconds delay_;
  Fd socket_;
  std::uint16_t port_ = 0;
  std::atomic<bool> ended_ = false;
  std::atomic<std::size_t> taken_ = 0;
  std::thread thread_;
};

bool greeted_within(BannerProbe& probe, std::chrono::seconds limit) {
  for (const auto end = Clock::now() + limit; Clock::now() < end;) {
    const auto answer = probe.ask(250ms, -1);
    EXPECT_TRUE(answer) << answer.error().message;
    if (!answer || *answer) return answer && *answer;
  }
  return false;
}

TEST(BannerProbe, AQuickServerIsHeardAtOnce) {
  SlowServer server(0ms);
  BannerProbe probe("127.0.0.1", server.port());
  const auto begin = Clock::now();
  EXPECT_TRUE(greeted_within(probe, 5s));
  EXPECT_LT(Clock::now() - begin, 2s);
}

// Longer than six connections at the first pace are kept: a probe that keeps to that pace never hears it.
TEST(BannerProbe, ASlowServerIsGivenLongerAndAskedLessOften) {
  SlowServer server(3700ms);
  BannerProbe probe("127.0.0.1", server.port());
  EXPECT_TRUE(greeted_within(probe, 40s));
  EXPECT_LT(server.taken(), 40u);
}

}  // namespace
}  // namespace anyvisor
