// SPDX-License-Identifier: MIT
#include "vmm_socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/line_channel.hpp"

namespace anyvisor::test {
namespace {

constexpr std::string_view question = "CONNECT 22\n";

std::string read_question(int fd) {
  std::string text;
  for (char byte = 0; text.size() < question.size() && ::read(fd, &byte, 1) == 1;) text += byte;
  return text;
}

}  // namespace

VmmSocket::VmmSocket(const SshServer& server, VsockGuest guest)
    : server_(server), guest_(guest), ended_(::eventfd(0, EFD_CLOEXEC)) {
  const Fd folder(::open(server.folder().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto listener = listen_in_folder(folder.get(), "vsock.sock");
  EXPECT_TRUE(listener);
  if (listener) listener_ = std::move(*listener);
  route_ = {server.folder() + "/vsock.sock", 77, 22};
  thread_ = std::thread([this] { serve(); });
}

VmmSocket::~VmmSocket() {
  const std::uint64_t one = 1;
  EXPECT_EQ(::write(ended_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  thread_.join();
  silent_.clear();
  for (auto& child : children_) {
    siginfo_t info{};
    ::kill(child.pid, SIGTERM);
    ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED);
  }
}

SshAccess VmmSocket::access() const {
  SshAccess access = server_.access();
  access.address = "vsock";
  access.port = 0;
  access.vsock = route_;
  access.vsock_dial = ANYVISOR_TEST_VSOCK_DIAL;
  return access;
}

void VmmSocket::serve() {
  for (;;) {
    pollfd watched[] = {{ended_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0) continue;
    if (watched[0].revents != 0) return;
    Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) answer(std::move(connection));
  }
}

void VmmSocket::answer(Fd connection) {
  ++connections_;
  const std::string asked = read_question(connection.get());
  EXPECT_EQ(asked, question);
  const auto say = [&](std::string_view text) {
    EXPECT_EQ(::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  };
  switch (guest_) {
    case VsockGuest::refuses:
      return;
    case VsockGuest::silent:
      silent_.push_back(std::move(connection));
      return;
    case VsockGuest::nonsense:
      say("HTTP/1.1 400 Bad Request\n");
      return;
    case VsockGuest::serves_ssh:
    case VsockGuest::serves_late:
      break;
  }
  say("OK 1073741824\n");
  if (guest_ == VsockGuest::serves_late) std::this_thread::sleep_for(std::chrono::seconds(6));
  Command command;
  command.argv = {"/usr/sbin/sshd", "-i", "-f", server_.configuration()};
  command.stdin_fd = command.stdout_fd = connection.get();
  auto child = spawn(command, "test.sshd");
  EXPECT_TRUE(child);
  if (child) children_.push_back(std::move(*child));
}

}  // namespace anyvisor::test
