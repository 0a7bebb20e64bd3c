// SPDX-License-Identifier: MIT
// What the kernel does with a held port, and with a real QEMU that listens on it.
#include "port_hold.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "loopback.hpp"

namespace {

using test::Socket;
using user_network::PortHold;
using user_network::Protocol;

const std::uint32_t here = htonl(INADDR_LOOPBACK);

TEST(PortHold, LetsTheVmmListenAndNobodyElse) {
  const PortHold hold(Protocol::tcp, here, 0);
  ASSERT_TRUE(hold.held());
  ASSERT_NE(hold.port(), 0);
  EXPECT_EQ(PortHold(Protocol::tcp, here, hold.port()).error(), EADDRINUSE)
      << "a second anyvisor, before the VMM listens";
  EXPECT_FALSE(Socket(SOCK_STREAM).bind(hold.port())) << "a program without SO_REUSEADDR, before the VMM listens";

  const Socket vmm(SOCK_STREAM, true);
  ASSERT_TRUE(vmm.bind(hold.port()));
  ASSERT_TRUE(vmm.listen());
  EXPECT_TRUE(Socket(SOCK_STREAM).connect(hold.port())) << "the held socket is in the way of the VMM's";
  EXPECT_EQ(PortHold(Protocol::tcp, here, hold.port()).error(), EADDRINUSE)
      << "a second anyvisor, while the VMM listens";
  EXPECT_FALSE(Socket(SOCK_STREAM).bind(hold.port()));
  EXPECT_FALSE(Socket(SOCK_STREAM, true).bind(hold.port()));
}

TEST(PortHold, IsFreeAgainAfterwards) {
  std::uint16_t port = 0;
  {
    const PortHold hold(Protocol::tcp, here, 0);
    port = hold.port();
  }
  EXPECT_TRUE(PortHold(Protocol::tcp, here, port).held());
}

TEST(PortHold, PassesOverConnectionsThatWindDown) {
  std::uint16_t port = 0;
  {
    Socket vmm(SOCK_STREAM, true), client(SOCK_STREAM);
    ASSERT_TRUE(vmm.bind(0) && vmm.listen());
    port = vmm.port();
    ASSERT_TRUE(client.connect(port));
    Socket accepted(std::pair{::accept(vmm.fd(), nullptr, nullptr), 0});
    accepted.close();  // the VMM's side closes first: its end stays in TIME_WAIT
    char byte = 0;
    ASSERT_EQ(::read(client.fd(), &byte, 1), 0);
  }
  ASSERT_FALSE(Socket(SOCK_STREAM).bind(port)) << "nothing is in TIME_WAIT: the test shows nothing";
  const PortHold hold(Protocol::tcp, here, port);
  EXPECT_TRUE(hold.held());
  EXPECT_EQ(PortHold(Protocol::tcp, here, port).error(), EADDRINUSE) << "two hold the port at once";
  const Socket vmm(SOCK_STREAM, true);
  EXPECT_TRUE(vmm.bind(port) && vmm.listen());
}

TEST(PortHold, UdpIsHeldAgainstOtherAnyvisorsOnly) {
  const PortHold hold(Protocol::udp, here, 0);
  ASSERT_TRUE(hold.held());
  EXPECT_EQ(PortHold(Protocol::udp, here, hold.port()).error(), EADDRINUSE);
  EXPECT_TRUE(PortHold(Protocol::tcp, here, hold.port()).held()) << "TCP has ports of its own";
  const Socket vmm(SOCK_DGRAM);
  ASSERT_TRUE(vmm.bind(hold.port()));
  EXPECT_EQ(PortHold(Protocol::udp, here, hold.port()).error(), EADDRINUSE);
}

TEST(PortHold, TellsAnAddressThatIsNotHere) {
  EXPECT_EQ(PortHold(Protocol::tcp, ::inet_addr("192.0.2.1"), 0).error(), EADDRNOTAVAIL);
}

TEST(PortHold, QemuListensBesideTheHold) {
  const char* qemu = "/usr/bin/qemu-system-x86_64";
  if (!std::filesystem::exists(qemu)) GTEST_SKIP() << "no QEMU";
  const PortHold tcp(Protocol::tcp, here, 0), udp(Protocol::udp, here, 0);
  ASSERT_TRUE(tcp.held() && udp.held());
  const std::string network = "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:" + std::to_string(tcp.port()) +
                              "-:22,hostfwd=udp:127.0.0.1:" + std::to_string(udp.port()) + "-:53";
  const char* argv[] = {qemu,       "-S",   "-machine", "none",          "-nodefaults",
                        "-display", "none", "-netdev",  network.c_str(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, qemu, nullptr, nullptr, const_cast<char* const*>(argv), environ), 0);
  bool connected = false;
  for (int i = 0; i < 500 && !connected && ::waitpid(pid, nullptr, WNOHANG) == 0; ++i) {
    connected = Socket(SOCK_STREAM).connect(tcp.port());
    if (!connected) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(connected);
  EXPECT_FALSE(Socket(SOCK_DGRAM).bind(udp.port()));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace
