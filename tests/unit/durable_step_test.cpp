// SPDX-License-Identifier: MIT
#include "storage/durable_step.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "storage/fd.hpp"
#include "temporary_folder.hpp"

namespace anyvisor {
namespace {

using test::TemporaryFolder;

#ifndef ANYVISOR_FAULT_POINTS

TEST(DurableStep, CannotBeArmedInThisBuild) {
  TemporaryFolder folder;
  ::setenv("ANYVISOR_POINTS_LOG", (folder / "log").c_str(), 1);
  { const DurableStep step("test.step"); }
  ::unsetenv("ANYVISOR_POINTS_LOG");
  EXPECT_FALSE(read_file(folder / "log"));
}

#else

// A child that passes the step "test.one" twice and then "test.two", with this environment, and exits with 7.
class Stepper {
 public:
  Stepper(const TemporaryFolder& folder, const char* stop_at, const char* only_program = nullptr) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setenv("ANYVISOR_POINTS_LOG", (folder / "log").c_str(), 1);
    ::setenv("ANYVISOR_STOP_REPORT", (folder / "report").c_str(), 1);
    if (stop_at) ::setenv("ANYVISOR_STOP_AT", stop_at, 1);
    if (only_program) ::setenv("ANYVISOR_STOP_PROGRAM", only_program, 1);
    set_program_name("unit-test");
    { const DurableStep step("test.one"); }
    { const DurableStep step("test.one"); }
    errno = ENOTTY;
    { const DurableStep step("test.two"); }
    ::_exit(errno == ENOTTY ? 7 : 8);
  }
  ~Stepper() {
    if (ended_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  std::string line(const char* point) const { return std::to_string(pid_) + " unit-test " + point + "\n"; }
  bool stops() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
    ended_ = !WIFSTOPPED(status);
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
  }
  int exit_code() {
    int status = 0;
    ::kill(pid_, SIGCONT);
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
  bool ended_ = false;
};

TEST(DurableStep, LogsEveryPassing) {
  TemporaryFolder folder;
  Stepper stepper(folder, nullptr);
  EXPECT_EQ(stepper.exit_code(), 7) << "8: errno was changed";
  EXPECT_EQ(read_file(folder / "log").value(), stepper.line("test.one:before") + stepper.line("test.one:after") +
                                                   stepper.line("test.one:before") + stepper.line("test.one:after") +
                                                   stepper.line("test.two:before") + stepper.line("test.two:after"));
  EXPECT_FALSE(read_file(folder / "report"));
}

TEST(DurableStep, StopsWhereItIsArmedAndGoesOn) {
  struct Case {
    const char* armed;
    const char* point;
    int passed;  // lines in the log when it stops
  };
  for (const auto& [armed, point, passed] :
       {Case{"test.one:before", "test.one:before", 1}, Case{"test.one:after", "test.one:after", 2},
        Case{"test.one:before#2", "test.one:before", 3}, Case{"test.two:after#1", "test.two:after", 6}}) {
    TemporaryFolder folder;
    Stepper stepper(folder, armed);
    ASSERT_TRUE(stepper.stops()) << armed;
    EXPECT_EQ(read_file(folder / "report").value(), stepper.line(point));
    const std::string log = read_file(folder / "log").value();
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), passed) << armed;
    EXPECT_EQ(stepper.exit_code(), 7);
    EXPECT_EQ(read_file(folder / "report").value(), stepper.line(point)) << "stopped once";
  }
}

TEST(DurableStep, StopsOnlyTheNamedProgramAndPoint) {
  for (const auto& [armed, program] : {std::pair{"test.one:before", "plugin-host"}, std::pair{"test.one:before#3", ""},
                                       std::pair{"test.on:before", ""}, std::pair{"test.one", ""}}) {
    TemporaryFolder folder;
    Stepper stepper(folder, armed, *program ? program : nullptr);
    EXPECT_EQ(stepper.exit_code(), 7) << armed;
    EXPECT_FALSE(read_file(folder / "report")) << armed;
  }
  TemporaryFolder folder;
  Stepper stepper(folder, "test.one:before", "unit-test");
  EXPECT_TRUE(stepper.stops());
}

#endif

}  // namespace
}  // namespace anyvisor
