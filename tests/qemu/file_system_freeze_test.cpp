// SPDX-License-Identifier: MIT
// Whatever the guest agent does, the guest ends up thawed.
#include "file_system_freeze.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "test_context.hpp"

namespace anyvisor::qemu {
namespace {

using namespace std::chrono_literals;
using test::TestContext;
namespace fs = std::filesystem;

// An agent with one file system. One client at a time, and one command after the other, as qemu-ga.
class Agent {
 public:
  std::atomic<int> frozen = 0, clients = 0;
  std::atomic<std::chrono::milliseconds> freeze_takes{0ms};
  std::atomic<bool> refuses = false, hangs_up_once_frozen = false;

  explicit Agent(Descriptor listener) : listener_(std::move(listener)), end_(::eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Agent() {
    ::eventfd_write(end_.get(), 1);
    thread_.join();
  }
  bool becomes_thawed() const {
    for (int i = 0; i < 600 && frozen != 0; ++i) std::this_thread::sleep_for(10ms);
    return frozen == 0;
  }

 private:
  bool readable(int fd) {
    pollfd polled[] = {{fd, POLLIN, 0}, {end_.get(), POLLIN, 0}};
    ::poll(polled, 2, -1);
    return polled[1].revents == 0;
  }
  void serve() {
    while (readable(listener_.get())) {
      Descriptor client(::accept(listener_.get(), nullptr, nullptr));
      ++clients;
      std::string input;
      char buffer[4096];
      bool open = true;
      while (open && readable(client.get())) {
        const ssize_t got = ::read(client.get(), buffer, sizeof buffer);
        if (got <= 0) open = false;
        input.append(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
        for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
          open = answer(client.get(), input.substr(0, end)) && open;
          input.erase(0, end + 1);
        }
      }
    }
  }
  bool answer(int client, const std::string& command) {
    auto says = [&](const std::string& text) {
      (void)::send(client, (text + "\n").data(), text.size() + 1, MSG_NOSIGNAL);
    };
    if (command.find("guest-sync-delimited") != std::string::npos) {
      const auto id = command.find("\"id\":") + 5;
      says("\xff{\"return\":" + command.substr(id, command.find('}', id) - id) + "}");
    } else if (command.find("guest-fsfreeze-freeze") != std::string::npos) {
      std::this_thread::sleep_for(freeze_takes.load());
      if (refuses) {
        says(R"({"error":{"class":"GenericError","desc":"not today"}})");
      } else {
        frozen = 1;
        if (hangs_up_once_frozen) return false;
        says(R"({"return":1})");
      }
    } else if (command.find("guest-fsfreeze-thaw") != std::string::npos) {
      says(R"({"return":)" + std::to_string(frozen.exchange(0)) + "}");
    }
    return true;
  }

  Descriptor listener_, end_;
  std::thread thread_;
};

class FileSystemFreezeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "anyvisor-freeze-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    folder_.emplace(path_.string());
    agent_.emplace(folder_->listen(agent_socket));
  }
  void TearDown() override {
    agent_.reset();
    fs::remove_all(path_);
  }
  bool noted() const { return fs::exists(path_ / "guest-frozen"); }

  fs::path path_;
  std::optional<InstanceFolder> folder_;
  std::optional<Agent> agent_;
};

TEST_F(FileSystemFreezeTest, FreezesAndThaws) {
  FileSystemFreeze freeze(*folder_);
  EXPECT_FALSE(freeze.asked());
  EXPECT_TRUE(freeze.freeze(TestContext().get())) << freeze.why_not();
  EXPECT_EQ(agent_->frozen, 1);
  EXPECT_TRUE(noted()) << "killed now, nobody would know that there is something to thaw";
  EXPECT_TRUE(freeze.thaw());
  EXPECT_EQ(agent_->frozen, 0);
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, ThawsWithItsEnd) {
  {
    FileSystemFreeze freeze(*folder_);
    EXPECT_TRUE(freeze.freeze(TestContext().get()));
  }
  EXPECT_EQ(agent_->frozen, 0);
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, ALateFreezeIsThawedToo) {
  agent_->freeze_takes = 3500ms;
  FileSystemFreeze freeze(*folder_);
  EXPECT_FALSE(freeze.freeze(TestContext().get()));
  EXPECT_THAT(freeze.why_not(), testing::HasSubstr("within 3 s"));
  EXPECT_EQ(agent_->frozen, 0) << "it is not late";
  EXPECT_FALSE(freeze.thaw());
  EXPECT_EQ(agent_->frozen, 0);
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, ARefusalIsTold) {
  agent_->refuses = true;
  FileSystemFreeze freeze(*folder_);
  EXPECT_FALSE(freeze.freeze(TestContext().get()));
  EXPECT_THAT(freeze.why_not(), testing::HasSubstr("not today"));
  EXPECT_FALSE(freeze.thaw());
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, ACancelledFreezeIsThawed) {
  agent_->freeze_takes = 1s;
  Descriptor cancel(::eventfd(0, EFD_CLOEXEC));
  TestContext context;
  context.set_cancel_fd(cancel.get());
  std::thread canceller([&] {
    for (int i = 0; i < 500 && !noted(); ++i) std::this_thread::sleep_for(10ms);
    ::eventfd_write(cancel.get(), 1);
  });
  {
    FileSystemFreeze freeze(*folder_);
    EXPECT_THROW(freeze.freeze(context.get()), sdk::Failure);
  }
  canceller.join();
  EXPECT_TRUE(agent_->becomes_thawed());
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, WhatThawedByItselfWasNotFrozen) {
  FileSystemFreeze freeze(*folder_);
  EXPECT_TRUE(freeze.freeze(TestContext().get()));
  agent_->frozen = 0;
  EXPECT_FALSE(freeze.thaw());
  EXPECT_THAT(freeze.why_not(), testing::HasSubstr("did not stay frozen"));
}

TEST_F(FileSystemFreezeTest, AConnectionThatBreaksIsMadeAnew) {
  agent_->hangs_up_once_frozen = true;
  {
    FileSystemFreeze freeze(*folder_);
    EXPECT_FALSE(freeze.freeze(TestContext().get()));
    EXPECT_EQ(agent_->frozen, 1);
  }
  EXPECT_EQ(agent_->frozen, 0);
  EXPECT_EQ(agent_->clients, 2);
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, WhatADeadProcessLeftFrozenIsThawed) {
  EXPECT_EQ(thaw_what_was_left(*folder_), "");
  EXPECT_EQ(agent_->clients, 0) << "an agent was asked without need";
  std::ofstream(path_ / "guest-frozen");
  agent_->frozen = 1;
  EXPECT_THAT(thaw_what_was_left(*folder_), testing::HasSubstr("are thawed"));
  EXPECT_EQ(agent_->frozen, 0);
  EXPECT_FALSE(noted());
}

TEST_F(FileSystemFreezeTest, NobodyThereIsNoFreeze) {
  agent_.reset();
  FileSystemFreeze freeze(*folder_);
  EXPECT_FALSE(freeze.freeze(TestContext().get()));
  EXPECT_FALSE(freeze.asked());
  EXPECT_FALSE(freeze.why_not().empty());
}

}  // namespace
}  // namespace anyvisor::qemu
