// SPDX-License-Identifier: MIT
#include "guest/banner_probe.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

namespace anyvisor {
namespace {

using namespace std::chrono_literals;

// The guest said no: it is there, and soon it may say yes. The longer it has been saying no, the later.
constexpr auto shortest_refusal = 100ms;
constexpr auto longest_refusal = 1s;
constexpr int refusal_share = 200;
// It said nothing: perhaps its network is not up, perhaps it is slow. One may be as slow as it has been silent, so the
// pause grows with that, up to where a person would begin to wonder.
constexpr auto shortest_silence = 500ms;
constexpr auto longest_silence = 10s;
constexpr int silence_share = 20;
// A connection that the guest has taken: it starts a server for this one alone, and may be slow.
constexpr auto arrived_life = 60s;
// Fewer than the unauthenticated connections at which sshd begins to turn clients away (MaxStartups 10).
constexpr std::size_t most_attempts = 6;
constexpr std::string_view greeting = "SSH-";
constexpr std::size_t longest_preamble = 8192;  // a server may send lines before its greeting

bool has_greeting(const std::string& heard) {
  return heard.starts_with(greeting) || heard.find("\n" + std::string(greeting)) != std::string::npos;
}

Fd begin_tcp(const std::string& address, std::uint16_t port) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  wanted.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return {};
  if (::connect(socket.get(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) return {};
  return socket;
}

}  // namespace

BannerProbe::BannerProbe(std::string address, std::uint16_t port)
    : connect_([address = std::move(address), port] { return begin_tcp(address, port); }),
      has_arrived_([](int, const std::string&) { return false; }) {}

// A VMM's answer to the question for the port is one line more before the greeting.
BannerProbe::BannerProbe(VsockRoute route)
    : connect_([route] {
        auto socket = begin_vsock(route);
        return socket ? std::move(*socket) : Fd();
      }),
      has_arrived_([through_vmm = !route.socket.empty()](int socket, const std::string& heard) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        return through_vmm ? !heard.empty() : ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
      }) {}

std::chrono::milliseconds BannerProbe::share_of_time(int share, std::chrono::milliseconds least,
                                                     std::chrono::milliseconds most) const {
  return std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>((Clock::now() - first_) / share), least,
                    most);
}

std::chrono::milliseconds BannerProbe::after_refusal() const {
  return share_of_time(refusal_share, shortest_refusal, longest_refusal);
}

bool BannerProbe::begin() {
  Fd socket = connect_();
  if (!socket) return false;
  attempts_.push_back({std::move(socket), Clock::now(), {}});
  return true;
}

bool BannerProbe::listen_to(Attempt& attempt) {
  std::array<char, 1024> chunk;
  for (;;) {
    const ssize_t got = ::read(attempt.socket.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN;
    if (got == 0) return false;
    attempt.heard.append(chunk.data(), static_cast<std::size_t>(got));
    if (has_greeting(attempt.heard) || attempt.heard.size() > longest_preamble) return false;
  }
}

Result<bool> BannerProbe::ask(std::chrono::milliseconds slice, int cancel_fd) {
  const auto end = Clock::now() + slice;
  for (;;) {
    const auto now = Clock::now();
    const auto arrived = [&](const Attempt& attempt) { return has_arrived_(attempt.socket.get(), attempt.heard); };
    std::erase_if(attempts_,
                  [&](const Attempt& attempt) { return arrived(attempt) && now - attempt.begun > arrived_life; });
    // Another one would only have the guest start another server.
    if (std::ranges::any_of(attempts_, arrived)) next_ = now + shortest_silence;
    if (now >= next_) {
      // The oldest makes room, so that each is kept for as many pauses as there are attempts.
      if (attempts_.size() >= most_attempts) attempts_.erase(attempts_.begin());
      next_ = now + (begin() ? share_of_time(silence_share, shortest_silence, longest_silence) : after_refusal());
    }
    std::vector<pollfd> watched{{cancel_fd, POLLIN, 0}};
    for (const auto& attempt : attempts_) watched.push_back({attempt.socket.get(), POLLIN, 0});
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(std::min(end, next_) - now);
    const int ready = ::poll(watched.data(), watched.size(), static_cast<int>(std::max(left, 0ms).count() + 1));
    if (ready < 0 && errno != EINTR) return fail_errno("cannot wait for an ssh server", errno);
    if (ready > 0 && watched[0].revents != 0) return fail(ErrorKind::cancelled, "the waiting was cancelled");
    for (std::size_t i = attempts_.size(); ready > 0 && i-- > 0;) {
      if (watched[i + 1].revents == 0 || listen_to(attempts_[i])) continue;
      if (has_greeting(attempts_[i].heard)) {
        attempts_.clear();
        return true;
      }
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(i));
      next_ = std::min(next_, Clock::now() + after_refusal());
    }
    if (Clock::now() >= end) return false;
  }
}

}  // namespace anyvisor
