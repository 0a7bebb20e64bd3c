// SPDX-License-Identifier: MIT
#include "accelerator_probe.hpp"

#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_fixture.hpp"
#include "storage/atomic_file.hpp"

namespace host_test {
namespace {

using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

class AcceleratorProbe : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/anyvisor-probe-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    home_ = path;
    ASSERT_EQ(::mkdir((home_ + "/cache").c_str(), 0700), 0);
  }
  void TearDown() override { EXPECT_TRUE(remove_tree_durably(home_, "test.remove")); }

  // Probes with two shell scripts; the candidate's also counts its runs.
  Result<json::Document> probe(const std::string& candidate, const std::string& baseline, int limit_ms = 10000,
                               const std::string& key = "vmm 1", milliseconds deadline = patience) {
    auto request = parsed(R"({"key":"","candidate":{"name":"kvm"},"baseline":{"name":"tcg"}})");
    json::set(request, request, "key", key);
    json::set(request, request, "limit_ms", limit_ms);
    const auto fill = [&](const char* name, const std::string& script) {
      json::set(request, request[name], "argv", std::vector<std::string>{"/bin/sh", "-c", script});
      json::set(request, request[name], "marker", "GUEST");
    };
    fill("candidate", "echo x >> " + home_ + "/runs; " + candidate);
    fill("baseline", baseline);
    return host::probe_accelerator(request, home_, Clock::now() + deadline, -1);
  }
  std::size_t runs() const {
    auto text = read_file(home_ + "/runs");
    return text ? text->size() / 2 : 0;
  }
  static std::string reason(const Result<json::Document>& answer) {
    return answer ? json::string_or(*answer, "reason") : "";
  }
  std::string home_;
};

TEST_F(AcceleratorProbe, OneThatWorksIsUsedAndTheAnswerIsKept) {
  auto answer = probe("sleep 0.2; echo GUEST", "sleep 0.2; echo GUEST");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(json::bool_or(*answer, "usable", false)) << reason(answer);
  EXPECT_FALSE(json::bool_or(*answer, "cached", true));
  answer = probe("exit 1", "exit 1");
  ASSERT_TRUE(answer);
  EXPECT_TRUE(json::bool_or(*answer, "usable", false));
  EXPECT_TRUE(json::bool_or(*answer, "cached", false));
  EXPECT_EQ(runs(), 1U);
  answer = probe("exit 1", "echo GUEST", 10000, "vmm 2");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(json::bool_or(*answer, "cached", true)) << "another key is another question";
}

TEST_F(AcceleratorProbe, OneThatFailsIsNotAndItsWordsAreTheReason) {
  auto answer = probe("echo 'failed to set MSR 0x10a' >&2; exit 3", "echo GUEST");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(json::bool_or(*answer, "usable", true));
  EXPECT_THAT(reason(answer), HasSubstr("failed to set MSR 0x10a"));
  EXPECT_THAT(reason(answer), HasSubstr("3"));
  answer = probe("echo GUEST", "echo GUEST");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(json::bool_or(*answer, "usable", true)) << "a negative answer holds too";
  EXPECT_TRUE(json::bool_or(*answer, "cached", false));
}

TEST_F(AcceleratorProbe, OneThatIsFarSlowerThanTheBaselineIsNot) {
  auto answer = probe("sleep 2; echo GUEST", "sleep 0.1; echo GUEST");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(json::bool_or(*answer, "usable", true)) << reason(answer);
  EXPECT_THAT(reason(answer), HasSubstr("slower"));
}

TEST_F(AcceleratorProbe, OneThatDoesNotFinishIsNot) {
  const auto start = Clock::now();
  auto answer = probe("sleep 60; echo GUEST", "echo GUEST", 300);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(json::bool_or(*answer, "usable", true));
  EXPECT_LT(Clock::now() - start, seconds(10));
  answer = probe("echo GUEST", "echo GUEST");
  ASSERT_TRUE(answer);
  EXPECT_TRUE(json::bool_or(*answer, "cached", false));
}

TEST_F(AcceleratorProbe, OnASlowHostTheLimitFollowsTheBaseline) {
  auto answer = probe("sleep 1; echo GUEST", "sleep 0.9; echo GUEST", 200);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(json::bool_or(*answer, "usable", false)) << reason(answer);
}

TEST_F(AcceleratorProbe, OnAHostWhereEmulationDoesNotFinishTheLimitFollowsWhatItHasTaken) {
  auto answer = probe("sleep 0.5; echo GUEST", "sleep 100", 100);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(json::bool_or(*answer, "usable", false)) << reason(answer);
}

TEST_F(AcceleratorProbe, OnASlowHostOneHiccupDecidesNothing) {
  auto answer = probe("[ $(wc -l <" + home_ + "/runs) -gt 1 ] || sleep 5; echo GUEST", "sleep 0.5; echo GUEST", 200);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(json::bool_or(*answer, "usable", false)) << reason(answer);
  EXPECT_EQ(runs(), 2U);
  answer = probe("sleep 5; echo GUEST", "sleep 0.5; echo GUEST", 200, "vmm 2");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_FALSE(json::bool_or(*answer, "usable", true)) << "twice is no hiccup";
  EXPECT_EQ(runs(), 4U);
}

TEST_F(AcceleratorProbe, WithoutABaselineALimitDecides) {
  const auto alone = [&](const std::string& script, int limit_ms) {
    auto request = parsed(R"({"candidate":{"name":"kvm","marker":"GUEST"}})");
    json::set(request, request, "key", script);
    json::set(request, request, "limit_ms", limit_ms);
    json::set(request, request["candidate"], "argv", std::vector<std::string>{"/bin/sh", "-c", script});
    return host::probe_accelerator(request, home_, Clock::now() + patience, -1);
  };
  auto answer = alone("echo GUEST", 10000);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(json::bool_or(*answer, "usable", false)) << reason(answer);
  EXPECT_THAT(reason(answer), HasSubstr("runs a 64-bit guest"));
  answer = alone("echo 'no such ioctl' >&2; exit 1", 10000);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_FALSE(json::bool_or(*answer, "usable", true));
  EXPECT_THAT(reason(answer), HasSubstr("no such ioctl"));
  const auto start = Clock::now();
  answer = alone("sleep 60; echo GUEST", 100);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_FALSE(json::bool_or(*answer, "usable", true)) << "it had a minute";
  EXPECT_LT(Clock::now() - start, seconds(20));
  answer = alone("sleep 60; echo GUEST", 100);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(json::bool_or(*answer, "cached", false));
}

TEST_F(AcceleratorProbe, ACallThatRunsOutOfTimeSaysNothingAboutTheAccelerator) {
  auto answer = probe("sleep 60; echo GUEST", "echo GUEST", 30000, "vmm 1", milliseconds(200));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::timeout);
  answer = probe("echo GUEST", "echo GUEST");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(json::bool_or(*answer, "cached", true)) << "nothing was kept";
}

TEST_F(AcceleratorProbe, AProgramThatIsNotThereIsAnError) {
  auto request = parsed(
      R"({"key":"k","candidate":{"name":"kvm","argv":["/no/such/vmm"],"marker":"m"},"baseline":{"name":"tcg","argv":["/no/such/vmm"],"marker":"m"}})");
  auto answer = host::probe_accelerator(request, home_, Clock::now() + patience, -1);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace host_test
