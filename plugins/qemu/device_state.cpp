// SPDX-License-Identifier: MIT
#include "device_state.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

namespace anyvisor::qemu {
namespace {

constexpr const char* fd_name = "device-state";
constexpr const char* without_shared_memory =
    R"({"capabilities":[{"capability":"x-ignore-shared","state":true},{"capability":"events","state":true}]})";
// QEMU's own limit is 128 MiB/s: what is not RAM is small, but firmware and video memory are in it.
constexpr const char* no_speed_limit = R"({"max-bandwidth":17179869184})";

// QEMU tells the errors of files in words, or not at all: whether the disk is full is found out by asking for as much
// as QEMU writes at once.
bool is_full(int file) {
  constexpr off_t piece = 1 << 17;
  struct stat status {};
  if (::fstat(file, &status) != 0) return false;
  const int error = ::posix_fallocate(file, status.st_size, piece);
  return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

// Until the migration has come to its end. Each step of it is an event: asked again after each.
void follow(const sdk::Context& context, QmpClient& client, const char* what) {
  while (true) {
    client.forget_events("MIGRATION");
    json::Document now = client.execute(context, "query-migrate");
    const std::string status = json::string_or(now, "status", "none");
    if (status == "completed") return;
    if (status == "failed" || status == "cancelled")
      throw sdk::Failure(ANYVISOR_BACKEND_FAILED,
                         std::string("QEMU could not ") + what + ": " +
                             json::string_or(now, "error-desc", "it says no more than " + status));
    client.wait_event(context, "MIGRATION");
  }
}

// The file as QEMU knows it by `fd:NAME`, and RAM left out of what goes through it.
void hand_over(const sdk::Context& context, QmpClient& client, int file) {
  client.execute(context, "migrate-set-capabilities", without_shared_memory);
  client.execute_with_descriptor(context, "getfd", std::string(R"({"fdname":")") + fd_name + R"("})", file);
}

}  // namespace

void save_device_state(const sdk::Context& context, QmpClient& client, int file) {
  client.execute(context, "migrate-set-parameters", no_speed_limit);
  hand_over(context, client, file);
  client.execute(context, "migrate", std::string(R"({"uri":"fd:)") + fd_name + R"("})");
  try {
    follow(context, client, "write the devices' state");
  } catch (const ConnectionLost&) {
    throw;
  } catch (const sdk::Failure& failure) {
    // The call's own time is over: QEMU gets to hear of it, and nobody waits for its answer.
    if (failure.status() == ANYVISOR_TIMEOUT || failure.status() == ANYVISOR_CANCELLED) client.send("migrate_cancel");
    if (failure.status() == ANYVISOR_BACKEND_FAILED && is_full(file))
      throw sdk::Failure(ANYVISOR_EXHAUSTED, "no room for the devices' state: the disk is full")
          .hint("free disk space");
    throw;
  }
}

void load_device_state(const sdk::Context& context, QmpClient& client, int file) {
  hand_over(context, client, file);
  client.execute(context, "migrate-incoming", std::string(R"({"uri":"fd:)") + fd_name + R"("})");
  try {
    follow(context, client, "read the devices' state");
  } catch (const ConnectionLost&) {
    throw sdk::Failure(ANYVISOR_BACKEND_FAILED, "QEMU could not read the devices' state, and ended")
        .hint("see logs/vmm.log in the instance's folder");
  }
}

}  // namespace anyvisor::qemu
