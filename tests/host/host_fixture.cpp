// SPDX-License-Identifier: MIT
#include "host_fixture.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "storage/atomic_file.hpp"
#include "storage/lock.hpp"

namespace host_test {

namespace {

// Sanitizers of the programs under test: a crash stays a signal, and what they have to say goes to files in `folder`.
void set_sanitizer_options(const std::string& folder) {
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    static std::map<std::string, std::string> given;
    const char* value = ::getenv(name);
    if (!given.contains(name)) given[name] = value ? value : "";
    ::setenv(name, (given[name] + ":handle_segv=0:log_path=" + folder + "/sanitizer").c_str(), 1);
  }
}

// What the leak checker, a process of its own at a program's end, says when SIGKILL takes the program away from under
// it.
constexpr const char* leak_check_was_killed = "Unable to get registers from thread";

constexpr const char* instance_id = "01890a5d-ac96-774b-bcce-b302099a8057";

}  // namespace

json::Document parsed(const std::string& text) {
  auto document = json::parse_object(text, "a test's document");
  EXPECT_TRUE(document) << text;
  return document ? std::move(*document) : json::make_object();
}

bool is_running(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(") ");
  return name_end != std::string::npos && text[name_end + 2] != 'Z' && text[name_end + 2] != 'X';
}

bool eventually(const std::function<bool()>& condition, milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

void HostTest::SetUp() {
  std::string path = "/tmp/anyvisor-host-test-XXXXXX";
  ASSERT_NE(::mkdtemp(path.data()), nullptr);
  home_ = path;
  folder_ = home_ + "/instances/" + instance_id;
  ASSERT_EQ(::mkdir((home_ + "/instances").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir((home_ + "/cache").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(folder_.c_str(), 0700), 0);
  ASSERT_EQ(::mkdir((folder_ + "/logs").c_str(), 0700), 0);
  set_sanitizer_options(home_);
}

void HostTest::TearDown() {
  for (const int pid : hosts_)
    if (is_running(pid)) ::kill(pid, SIGKILL);
  if (vmm_ > 0 && is_running(vmm_)) ::kill(vmm_, SIGKILL);
  for (const int pid : hosts_) EXPECT_TRUE(eventually([&] { return !is_running(pid); }));
  for (const auto& entry : std::filesystem::directory_iterator(home_))
    if (entry.path().filename().string().starts_with("sanitizer")) {
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);)
        if (!line.empty() && line.find(leak_check_was_killed) == std::string::npos)
          ADD_FAILURE() << "a plugin-host's sanitizer reports: " << line;
    }
  if (HasFailure()) {
    std::ifstream log(folder_ + "/logs/anyvisor.log");
    std::cerr << "anyvisor.log:\n" << log.rdbuf() << "\n";
  }
  EXPECT_TRUE(remove_tree_durably(home_, "test.remove"));
}

HostClient HostTest::connect() {
  auto client = HostClient::connect_or_start(program, folder_, {test_backend, plain_c}, patience);
  if (!client) throw std::runtime_error(client.error().message);
  hosts_.push_back(client->pid());
  return std::move(*client);
}

json::Document HostTest::call(HostClient& client, const std::string& method, const std::string& params) {
  auto answer = client.call(method, parsed(params), patience);
  EXPECT_TRUE(answer) << method << ": " << answer.error().message;
  return answer ? std::move(*answer) : json::make_object();
}

Error HostTest::error_of(HostClient& client, const std::string& method, const std::string& params, milliseconds limit) {
  auto answer = client.call(method, parsed(params), limit);
  EXPECT_FALSE(answer) << method << " was to fail and answered " << json::render(*answer);
  return answer ? Error{} : answer.error();
}

std::string HostTest::attachment(const std::string& settings) const {
  return R"({"backend":"test-backend","settings":)" + settings + R"(,"networks":{"plain-c":{}},"machine":{"id":")" +
         instance_id + R"(","name":"sleeper","folder":")" + folder_ +
         R"(","cpus":1,"memory":{"size":1048576},"boot":{"method":"kernel","kernel":"/nowhere/kernel"},"disks":[]}})";
}

HostClient HostTest::created(const std::string& settings) {
  auto client = connect();
  EXPECT_EQ(json::string_or(call(client, "machine.attach", attachment(settings)), "state"), "stopped");
  EXPECT_EQ(json::string_or(call(client, "machine.create", R"({"endpoints":[]})"), "state"), "created");
  vmm_ = record().process.pid;
  EXPECT_TRUE(is_running(vmm_));
  return client;
}

ProcessRecord HostTest::record() const {
  auto record = read_process_record(folder_);
  EXPECT_TRUE(record) << record.error().message;
  return record ? *record : ProcessRecord{};
}

bool HostTest::lock_is_free() const {
  return FileLock::is_free(folder_ + "/host.lock");
}

}  // namespace host_test
