// SPDX-License-Identifier: MIT
// A real QEMU in software emulation, driven through the plugin's machine: what it prints is the proof of life.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "backend.hpp"
#include "machine_document.hpp"
#include "test_host.hpp"

namespace anyvisor::qemu::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

inline std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class Condition>
bool soon(Condition condition, std::chrono::milliseconds limit = 10s) {
  for (auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;
       std::this_thread::sleep_for(1ms))
    if (condition()) return true;
  return condition();
}

class VmmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "anyvisor-qemu-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    // A path that no socket address has room for.
    root_ = pattern;
    folder_ = root_ / std::string(120, 'l');
    fs::create_directories(folder_ / "logs");
    host_.emplace(folder_.string());
    backend_.emplace(host_->get(), TestContext().get(), R"({"accelerator":"tcg"})");
  }
  void TearDown() override {
    machine_.reset();
    host_.reset();
    fs::remove_all(root_);
  }

  std::string document(const std::string& guest, const std::string& more = {}) const {
    return document_booting(R"({"method":"kernel","kernel":")" ANYVISOR_GUESTS "/" + guest + R"("})", more);
  }
  std::string document_booting(const std::string& boot, const std::string& more = {}) const {
    return R"({"id":"0190a6e0-0000-7000-8000-000000000001","name":"probe","folder":")" + folder_.string() +
           R"(","cpus":1,"memory":{"size":67108864},"boot":)" + boot +
           R"(,"identity":{"smbios_uuid":"0190a6e0-0000-4000-8000-000000000002",)" +
           R"("vmgenid":"0190a6e0-0000-4000-8000-000000000003"})" + more + "}";
  }
  void attach(const std::string& text) { machine_ = backend_->attach(TestContext().get(), text); }
  json::Document call(std::string (sdk::Machine::*hop)(const sdk::Context&, std::string_view),
                      const std::string& request = "{}") {
    TestContext context;
    json::Document reply;
    reply.Parse(((*machine_).*hop)(context.get(), request));
    return reply;
  }
  std::string state_of(const json::Document& reply) { return json::string_or(reply, "state", "none"); }
  std::string console() const { return read_text(folder_ / "logs/console.log"); }
  std::size_t lines() const {
    std::string text = console();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  // What on_event() says next; "none" when nothing comes.
  json::Document next_event(std::chrono::milliseconds limit = 5s) {
    json::Document reply = json::make_object();
    auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end && reply.ObjectEmpty()) {
      pollfd polled{machine_->event_fd(), POLLIN, 0};
      if (::poll(&polled, 1, 50) > 0) reply = call(&sdk::Machine::on_event);
    }
    return reply;
  }
  std::map<int, std::string> descriptors_of_vmm() const {
    std::map<int, std::string> found;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(host_->vmm()) + "/fd"))
      found[std::stoi(entry.path().filename())] = fs::read_symlink(entry.path()).string();
    return found;
  }

  fs::path root_, folder_;
  std::optional<TestHost> host_;
  std::optional<QemuBackend> backend_;
  std::unique_ptr<sdk::Machine> machine_;
};

}  // namespace anyvisor::qemu::test
