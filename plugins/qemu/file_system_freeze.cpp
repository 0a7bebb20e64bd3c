// SPDX-License-Identifier: MIT
#include "file_system_freeze.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace anyvisor::qemu {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr const char* note = "guest-frozen";  // the file that outlives us
// To freeze, the guest first writes out what it holds: on a busy disk that takes its time, and then it is not worth it.
constexpr milliseconds freeze_limit = 3s;
constexpr milliseconds thaw_limit = 3s;
constexpr const char* thaw_command = "guest-fsfreeze-thaw";

std::string error_of(const json::Document& answer) {
  const auto* error = json::object_or_null(answer, "error");
  return error ? json::string_or(*error, "desc", "it does not say why") : std::string();
}

// A thaw over a new connection. It is sent before the agent has said a word: it hears it, however late.
bool thaw_anew(const InstanceFolder& folder, milliseconds limit) {
  LastingContext lasting(limit);
  AgentConversation agent(folder.connect(agent_socket));
  agent.ask(lasting.get(), thaw_command);
  agent.greet(lasting.get(), limit);
  const auto answer = agent.answer(lasting.get(), limit);
  return answer && error_of(*answer).empty();
}

}  // namespace

bool FileSystemFreeze::freeze(const sdk::Context& context) {
  try {
    agent_.emplace(folder_.connect(agent_socket));
    agent_->greet(context);
    Descriptor file(::openat(folder_.fd(), note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file) {
      why_not_ = "no note of it could be left in the instance's folder";
      return false;
    }
    asked_ = true;
    agent_->ask(context, "guest-fsfreeze-freeze");
    const auto answer = agent_->answer(context, freeze_limit);
    answered_ = answer.has_value();
    if (!answer)
      why_not_ = "the guest did not freeze its file systems within 3 s";
    else if (const std::string error = error_of(*answer); !error.empty())
      why_not_ = "the guest agent did not freeze the file systems: " + error;
    else if (json::int_or(*answer, "return", 0) <= 0)
      why_not_ = "the guest has no file system that can be frozen";
    else
      frozen_ = true;
  } catch (const sdk::Failure& failure) {
    if (failure.status() == ANYVISOR_CANCELLED) throw;
    why_not_ = failure.what();
  }
  return frozen_;
}

bool FileSystemFreeze::thaw() noexcept {
  if (!asked_) return false;
  asked_ = false;
  const bool were_frozen = std::exchange(frozen_, false);
  bool in_time = false, heard = false;
  try {
    LastingContext lasting(thaw_limit);
    agent_->ask(lasting.get(), thaw_command);
    auto answer = agent_->answer(lasting.get(), thaw_limit);
    // The late answer to the freeze comes first.
    if (answer && !answered_) answer = agent_->answer(lasting.get(), thaw_limit);
    heard = answer && error_of(*answer).empty();
    in_time = heard && json::int_or(*answer, "return", 0) > 0;
  } catch (const std::exception&) {
  }
  agent_.reset();
  try {
    if (!heard) heard = thaw_anew(folder_, thaw_limit);
  } catch (const std::exception&) {
  }
  if (heard) forget_freeze(folder_);
  if (were_frozen && !in_time) why_not_ = "the file systems did not stay frozen until the disk was switched";
  return were_frozen && in_time;
}

std::string thaw_what_was_left(const InstanceFolder& folder) noexcept {
  if (::faccessat(folder.fd(), note, F_OK, 0) != 0) return {};
  try {
    if (thaw_anew(folder, thaw_limit)) {
      forget_freeze(folder);
      return "the guest's file systems are thawed, which an earlier plugin-host had left frozen";
    }
  } catch (const std::exception&) {
  }
  return "the guest's file systems may be frozen, and its agent does not answer: it was asked to thaw them";
}

void forget_freeze(const InstanceFolder& folder) noexcept {
  ::unlinkat(folder.fd(), note, 0);
}

}  // namespace anyvisor::qemu
