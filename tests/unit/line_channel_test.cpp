// SPDX-License-Identifier: MIT
#include "wire/line_channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::TemporaryFolder;

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours = Fd(ends[0]);
    theirs = Fd(ends[1]);
  }
  Fd ours, theirs;
};

Clock::time_point soon() {
  return Clock::now() + 20s;
}

json::Document message(const std::string& text) {
  auto document = json::make_object();
  json::set(document, document, "text", text);
  return document;
}

TEST(LineChannel, CarriesObjects) {
  Pair pair;
  LineChannel a(std::move(pair.ours)), b(std::move(pair.theirs));
  for (const std::string text : {"one", "two\nlines", "ü"}) ASSERT_TRUE(a.send(message(text), soon()));
  for (const std::string text : {"one", "two\nlines", "ü"}) {
    const auto received = b.receive(soon());
    ASSERT_TRUE(received) << received.error().message;
    EXPECT_EQ(json::string_or(*received, "text"), text);
  }
}

TEST(LineChannel, CarriesLinesAsLongAsTheLimitAndNoLonger) {
  Pair pair;
  LineChannel a(std::move(pair.ours)), b(std::move(pair.theirs));
  const std::size_t frame = json::render(message("")).size();
  std::thread sender([&] {
    EXPECT_TRUE(a.send(message(std::string(LineChannel::line_limit - frame, 'x')), soon()));
    EXPECT_TRUE(a.send(message("next"), soon()));
  });
  const auto longest = b.receive(soon());
  const auto next = b.receive(soon());
  sender.join();
  ASSERT_TRUE(longest) << longest.error().message;
  EXPECT_EQ(json::string_or(*longest, "text").size(), LineChannel::line_limit - frame);
  ASSERT_TRUE(next) << next.error().message;
  const auto too_long = a.send(message(std::string(LineChannel::line_limit, 'x')), soon());
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().kind, ErrorKind::exhausted);
}

TEST(LineChannel, RefusesALineWithoutEnd) {
  Pair pair;
  LineChannel channel(std::move(pair.ours));
  std::thread flood([fd = std::move(pair.theirs)] {
    const std::string chunk(65536, 'x');
    for (std::size_t sent = 0; sent < 3 * LineChannel::line_limit; sent += chunk.size())
      if (::send(fd.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) < 0) break;
  });
  const auto received = channel.receive(soon());
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().kind, ErrorKind::corrupted);
  EXPECT_EQ(channel.receive(soon()).error().kind, ErrorKind::corrupted) << "and stays so";
  ::shutdown(channel.fd(), SHUT_RDWR);
  flood.join();
}

TEST(LineChannel, RefusesWhatIsNoObject) {
  for (const char* line : {"hello\n", "[]\n", "\n", "{\"a\":\"\xff\"}\n", "{} {}\n"}) {
    Pair pair;
    LineChannel channel(std::move(pair.ours));
    ASSERT_TRUE(write_all(pair.theirs.get(), line));
    EXPECT_EQ(channel.receive(soon()).error().kind, ErrorKind::corrupted) << line;
  }
}

TEST(LineChannel, DeliversWhatWasSentBeforeTheEnd) {
  Pair pair;
  LineChannel channel(std::move(pair.ours));
  ASSERT_TRUE(write_all(pair.theirs.get(), "{\"text\":\"last words\"}\n{\"cut"));
  pair.theirs.reset();
  const auto last = channel.receive(soon());
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_EQ(json::string_or(*last, "text"), "last words");
  EXPECT_EQ(channel.receive(soon()).error().kind, ErrorKind::unavailable);
  EXPECT_EQ(channel.send(message("x"), soon()).error().kind, ErrorKind::unavailable) << "and no SIGPIPE";
}

TEST(LineChannel, WaitsNoLongerThanItMay) {
  Pair pair;
  LineChannel channel(std::move(pair.ours));
  const auto start = Clock::now();
  EXPECT_EQ(channel.receive(start + 40ms).error().kind, ErrorKind::timeout);
  EXPECT_GE(Clock::now() - start, 40ms);
  const Fd cancel(::eventfd(1, EFD_CLOEXEC));
  EXPECT_EQ(channel.receive(soon(), cancel.get()).error().kind, ErrorKind::cancelled);
  // The peer never reads: what fits goes out, then it is a timeout.
  const auto big = message(std::string(1u << 20, 'x'));
  EXPECT_EQ(channel.send(big, Clock::now() + 40ms).error().kind, ErrorKind::timeout);
  EXPECT_EQ(channel.send(message("x"), soon()).error().kind, ErrorKind::unavailable) << "half a line is out";
}

TEST(LineChannel, ServesAnEventLoop) {
  Pair pair;
  LineChannel channel(std::move(pair.ours));
  std::string line;
  EXPECT_TRUE(channel.fill().value()) << "nothing there is not the end";
  EXPECT_FALSE(channel.next_line(line).value());
  ASSERT_TRUE(write_all(pair.theirs.get(), "{\"a\""));
  EXPECT_TRUE(channel.fill().value());
  EXPECT_FALSE(channel.next_line(line).value());
  ASSERT_TRUE(write_all(pair.theirs.get(), ":1}\n\n{\"b\":2}\n{"));
  pair.theirs.reset();
  EXPECT_TRUE(channel.fill().value());
  std::vector<std::string> lines;
  while (channel.next_line(line).value()) lines.push_back(line);
  EXPECT_EQ(lines, (std::vector<std::string>{"{\"a\":1}", "", "{\"b\":2}"}));
  EXPECT_FALSE(channel.fill().value()) << "the end";
}

TEST(LineChannel, TakesManySmallLinesQuickly) {
  Pair pair;
  LineChannel channel(std::move(pair.ours));
  constexpr int count = 200'000;
  std::thread sender([fd = std::move(pair.theirs)] {
    std::string lines;
    for (int n = 0; n < count; ++n) lines += "{}\n";
    EXPECT_TRUE(write_all(fd.get(), lines));
  });
  int taken = 0;
  std::string line;
  const auto limit = Clock::now() + 20s;
  while (taken < count && Clock::now() < limit) {
    ASSERT_TRUE(channel.fill());
    while (channel.next_line(line).value()) ++taken;
  }
  sender.join();
  EXPECT_EQ(taken, count);
}

TEST(SocketInFolder, WorksWhereThePathIsLong) {
  TemporaryFolder folder;
  std::string path = folder.path();
  for (int depth = 0; depth < 4; ++depth) path += "/" + std::string(100, 'd');
  std::filesystem::create_directories(path);
  const auto folder_fd = open_folder(path);
  ASSERT_TRUE(folder_fd);
  EXPECT_EQ(connect_in_folder(folder_fd->get(), "host.sock").error().kind, ErrorKind::not_found);
  auto listener = listen_in_folder(folder_fd->get(), "host.sock");
  ASSERT_TRUE(listener) << listener.error().message;
  struct stat status {};
  ASSERT_EQ(::stat((path + "/host.sock").c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_NE(::fcntl(listener->get(), F_GETFD) & FD_CLOEXEC, 0);

  auto client = connect_in_folder(folder_fd->get(), "host.sock");
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_NE(::fcntl(client->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(client->get(), F_GETFL) & O_NONBLOCK, 0);
  Fd accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(peer_uid(accepted.get()).value(), ::geteuid());
  LineChannel a(std::move(*client)), b(std::move(accepted));
  ASSERT_TRUE(a.send(message("hello"), soon()));
  EXPECT_EQ(json::string_or(b.receive(soon()).value(), "text"), "hello");

  listener->reset();
  EXPECT_EQ(connect_in_folder(folder_fd->get(), "host.sock").error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(listen_in_folder(folder_fd->get(), "host.sock")) << "the stale socket is replaced";
}

TEST(SocketInFolder, ReplacesNoFileAndLeavesNoFolder) {
  TemporaryFolder folder;
  std::ofstream(folder / "file") << "kept";
  const auto folder_fd = open_folder(folder.path());
  ASSERT_TRUE(folder_fd);
  EXPECT_EQ(listen_in_folder(folder_fd->get(), "file").error().kind, ErrorKind::already_exists);
  EXPECT_EQ(read_file(folder / "file").value(), "kept");
  EXPECT_EQ(listen_in_folder(folder_fd->get(), "../x").error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(connect_in_folder(folder_fd->get(), std::string(100, 'n')).error().kind, ErrorKind::invalid_argument);
}

TEST(SocketInFolder, GivesUpOnAListenerThatNeverAccepts) {
  TemporaryFolder folder;
  const auto folder_fd = open_folder(folder.path());
  ASSERT_TRUE(folder_fd);
  const auto listener = listen_in_folder(folder_fd->get(), "s");
  ASSERT_TRUE(listener);
  ASSERT_EQ(::listen(listener->get(), 0), 0);
  std::vector<Fd> waiting;
  ErrorKind kind = ErrorKind::internal;
  for (int n = 0; n < 4; ++n) {
    auto client = connect_in_folder(folder_fd->get(), "s");
    if (!client) {
      kind = client.error().kind;
      break;
    }
    waiting.push_back(std::move(*client));
  }
  EXPECT_EQ(kind, ErrorKind::timeout);
}

}  // namespace
}  // namespace anyvisor
