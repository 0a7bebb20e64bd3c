// SPDX-License-Identifier: MIT
// What ssh is given as ProxyCommand, with ProxyUseFdpass: connects to a guest's vsock port and hands the connection
// over standard output, a Unix socket, to ssh, which from then on uses it itself. Says nothing: what it could say would
// stand among what the command in the guest says. Exit code 1: there is no connection.
//
//   vsock-dial SECONDS PORT cid CID | socket PATH
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <string_view>

#include "wire/guest_vsock.hpp"

namespace {

using namespace anyvisor;

constexpr int no_connection = 1, usage_error = 2;

bool read_number(std::string_view text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// With one byte, since a message of nothing but a descriptor cannot be told from the end.
bool hand_over(int fd) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(STDOUT_FILENO, &message, MSG_NOSIGNAL) == 1;
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return usage_error;
  std::uint32_t seconds = 0;
  VsockRoute route;
  if (!read_number(words[1], seconds) || !read_number(words[2], route.port)) return usage_error;
  const std::string_view kind = words[3];
  if (kind == "socket")
    route.socket = words[4];
  else if (kind != "cid" || !read_number(words[4], route.cid))
    return usage_error;
  const auto connection = connect_vsock(route, std::chrono::steady_clock::now() + std::chrono::seconds(seconds));
  return connection && hand_over(connection->get()) ? 0 : no_connection;
}
