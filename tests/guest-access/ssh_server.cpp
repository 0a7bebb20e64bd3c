// SPDX-License-Identifier: MIT
#include "ssh_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "identity/ssh_key.hpp"

namespace anyvisor::test {
namespace {

constexpr const char* sshd = "/usr/sbin/sshd";

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(port);
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_content(const std::string& path, std::string_view content, int mode) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  ASSERT_TRUE(file) << path;
  ASSERT_TRUE(write_all(file.get(), content));
  ASSERT_EQ(::fchmod(file.get(), static_cast<mode_t>(mode)), 0);
}

SshServer::SshServer(const std::string& configuration) {
  if (::access(sshd, X_OK) != 0) {
    trouble_ = std::string(sshd) + " is not there (package openssh-server)";
    return;
  }
  // As root it insists on this folder, which only its service makes.
  if (::geteuid() == 0) static_cast<void>(::mkdir("/run/sshd", 0755));
  std::string pattern = ::testing::TempDir() + "anyvisor ssh'd-XXXXXX";
  folder_ = ::mkdtemp(pattern.data());
  write_keys();
  start(configuration);
}

void SshServer::write_keys() {
  const auto host = make_ssh_key(KeyType::ed25519), user = make_ssh_key(KeyType::ed25519);
  ASSERT_TRUE(host && user);
  const passwd* self = ::getpwuid(::geteuid());
  ASSERT_NE(self, nullptr);
  access_.instance = "fake";
  access_.alias = "anyvisor-00000000-0000-7000-8000-000000000000";
  access_.address = "127.0.0.1";
  access_.port = free_port();
  access_.user = self->pw_name;
  access_.home = folder_;
  access_.key = "id_ed25519";
  access_.known_hosts = "known_hosts";
  write_content(folder_ + "/" + access_.key, user->private_key);
  write_content(folder_ + "/authorized_keys", user->public_key + "\n");
  write_content(folder_ + "/host_key", host->private_key);
  write_content(folder_ + "/known_hosts", access_.alias + " " + host->public_key + "\n");
}

void SshServer::start(const std::string& configuration) {
  // sshd's configuration gets the folder by a plain name; what is tested gets it as it is.
  const std::string link = ::testing::TempDir() + "anyvisor-sshd-" + std::to_string(access_.port);
  ASSERT_EQ(::symlink(folder_.c_str(), link.c_str()), 0);
  write_content(folder_ + "/sshd_config",
                "ListenAddress 127.0.0.1\nPort " + std::to_string(access_.port) + "\nHostKey " + link +
                    "/host_key\nAuthorizedKeysFile " + link +
                    "/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n"
                    "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                    "PrintMotd no\nLogLevel VERBOSE\nMaxStartups 100\n" +
                    configuration + "\n" +
                    (configuration.find("Subsystem") == std::string::npos ? "Subsystem sftp internal-sftp\n" : ""));
  Command command;
  configuration_ = link + "/sshd_config";
  command.argv = {sshd, "-D", "-e", "-f", configuration_};
  const Fd log_file(::open((folder_ + "/sshd.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  command.stderr_fd = log_file.get();
  auto child = spawn(command, "test.sshd");
  ASSERT_TRUE(child) << child.error().message;
  child_ = std::move(*child);
  for (int i = 0; i < 500; ++i) {
    if (answers(access_.port)) return;
    pollfd ended{child_.pidfd.get(), POLLIN, 0};
    if (::poll(&ended, 1, 10) > 0) break;
  }
  trouble_ = "sshd does not start: " + log();
}

std::string SshServer::log() const {
  return content_of(folder_ + "/sshd.log");
}

SshServer::~SshServer() {
  if (folder_.empty()) return;
  if (child_.pid > 0) {
    ::kill(-child_.pid, SIGTERM);
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(child_.pidfd.get()), &info, WEXITED);
  }
  ::unlink((::testing::TempDir() + "anyvisor-sshd-" + std::to_string(access_.port)).c_str());
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace anyvisor::test
