// SPDX-License-Identifier: MIT
#include "log_rotation.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "host_fixture.hpp"
#include "storage/atomic_file.hpp"

namespace host_test {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Every line is the number after the one before: no hole, no lost byte.
void expect_no_gap(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::uint64_t expected = 0;
  bool first = true;
  while (std::getline(lines, line)) {
    ASSERT_EQ(line.find('\0'), std::string::npos);
    if (first && (line.size() != 20 || line.front() != '0')) continue;  // the front was cut inside of a line
    const std::uint64_t number = std::strtoull(line.c_str(), nullptr, 10);
    if (!first) {
      ASSERT_EQ(number, expected);
    }
    first = false;
    expected = number + 1;
  }
  EXPECT_GT(expected, 0U);
  EXPECT_EQ(text.back(), '\n') << "the last line is whole";
}

class LogRotation : public testing::Test {
 protected:
  void SetUp() override {
    // The build folder's file system, rather than that of /tmp, which may be a tmpfs.
    std::string path = "anyvisor-rotation-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    log_ = folder_ + "/console.log";
  }
  void TearDown() override { EXPECT_TRUE(remove_tree_durably(folder_, "test.remove")); }
  std::string folder_, log_;
};

TEST_F(LogRotation, NothingIsLostWhileAWriterAppends) {
  constexpr std::uint64_t limit = 64 * 1024;
  int stop[2];
  ASSERT_EQ(::pipe(stop), 0);
  const pid_t writer = ::fork();
  ASSERT_GE(writer, 0);
  if (writer == 0) {  // numbered lines, one write each, as fast as it can, until the pipe is closed
    ::close(stop[1]);
    const int fd = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    char line[32];
    for (std::uint64_t i = 0;; ++i) {
      pollfd closed{stop[0], POLLIN, 0};
      if (i % 64 == 0 && ::poll(&closed, 1, 0) > 0) ::_exit(0);
      const int size = std::snprintf(line, sizeof line, "%020llu\n", static_cast<unsigned long long>(i));
      if (::write(fd, line, static_cast<std::size_t>(size)) != size) ::_exit(1);
    }
  }
  ::close(stop[0]);
  constexpr int wanted = 5;
  int rotations = 0;
  bool possible = true;
  std::string seen;  // how the last front began: each has other numbers
  const auto until = std::chrono::steady_clock::now() + patience;
  while (rotations < wanted && possible && std::chrono::steady_clock::now() < until) {
    struct stat before {};
    if (::stat(log_.c_str(), &before) != 0 || static_cast<std::uint64_t>(before.st_size) <= limit) continue;
    auto rotated = host::rotate_log(log_, limit, false);
    EXPECT_TRUE(rotated) << rotated.error().message;
    possible = ::access((log_ + ".1").c_str(), F_OK) == 0;
    const std::string front = content(log_ + ".1").substr(0, 64);
    if (front != seen) ++rotations;
    seen = front;
  }
  ::close(stop[1]);
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (!possible) GTEST_SKIP() << "this file system cannot collapse a range";
  EXPECT_EQ(rotations, wanted);
  expect_no_gap(content(log_ + ".1") + content(log_));
  EXPECT_EQ(content(log_ + ".1").size() % 4096, 0U);
}

TEST_F(LogRotation, BelowTheLimitNothingHappens) {
  std::ofstream(log_) << std::string(5000, 'x');
  ASSERT_TRUE(host::rotate_log(log_, 5000, false));
  ASSERT_TRUE(host::rotate_log(log_, 5000, true));
  EXPECT_EQ(content(log_).size(), 5000U);
  EXPECT_NE(::access((log_ + ".1").c_str(), F_OK), 0);
  EXPECT_TRUE(host::rotate_log(folder_ + "/missing.log", 1, false));
}

TEST_F(LogRotation, WholeBlocksKeepTheirLast) {
  std::ofstream(log_) << std::string(4096, 'a') << std::string(4096, 'b');
  ASSERT_TRUE(host::rotate_log(log_, 4096, false));
  EXPECT_EQ(content(log_ + ".1") + content(log_).substr(content(log_).size() - 4096),
            ::access((log_ + ".1").c_str(), F_OK) == 0 ? std::string(4096, 'a') + std::string(4096, 'b')
                                                       : std::string(4096, 'b'));
}

TEST_F(LogRotation, AnEndedOneIsRenamed) {
  std::ofstream(log_) << std::string(6000, 'x') << "end\n";
  ASSERT_TRUE(host::rotate_log(log_, 4096, true));
  EXPECT_NE(::access(log_.c_str(), F_OK), 0);
  EXPECT_EQ(content(log_ + ".1").size(), 6004U);
}

}  // namespace
}  // namespace host_test
