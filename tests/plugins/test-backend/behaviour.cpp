// SPDX-License-Identifier: MIT
#include "behaviour.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <utility>

namespace test_backend {

using namespace anyvisor;
using sdk::Context;
using sdk::Failure;

#define OPERATION(what)                                                                                   \
  R"({"description":")" what                                                                              \
  R"(","type":"string","enum":["open","capabilities","attach","create","adopt","boot","pause","resume",)" \
  R"("shutdown","terminate","state","guest_endpoints","on_event","destroy"]})"

const char* const settings_schema =
    R"({"type":"object","additionalProperties":false,"properties":{)"
    R"("hang_in":)" OPERATION("Never returns, whatever the context says.")
    R"(,"slow_in":)" OPERATION("Waits until cancelled or for slow_ms, then goes on or gives up, as the contract has it.")
    R"(,"slow_ms":{"description":"Milliseconds; default 60000.","type":"integer","minimum":0})"
    R"(,"fail_in":)" OPERATION("Fails with status, a message, a field and a hint.")
    R"(,"status":{"description":"The status of fail_in; default 15, ANYVISOR_BACKEND_FAILED.","type":"integer","minimum":1})"
    R"(,"fail_silently_in":)" OPERATION("Returns a status without reporting a failure.")
    R"(,"crash_in":)" OPERATION("Dereferences a null pointer.")
    R"(,"exit_in":)" OPERATION("Ends the process, which plugins must not.")
    R"(,"throw_in":)" OPERATION("Throws an exception of its own.")
    R"(,"throw_strange_in":)" OPERATION("Throws a number.")
    R"(,"ok_with_fail_in":)" OPERATION("Reports a failure, then returns ANYVISOR_OK with the true reply.")
    R"(,"garbage_reply_in":)" OPERATION("Replies with text that is no JSON.")
    R"(,"wrong_reply_in":)" OPERATION("Replies with JSON that the schema does not have.")
    R"(,"binary_reply_in":)" OPERATION("Replies with text that is no UTF-8.")
    R"(,"long_reply_in":)" OPERATION("Replies with 5 MiB, more than a document may have.")
    R"(,"progress_in":)" OPERATION("Reports progress in ten parts, then goes on.")
    R"(,"on_shutdown":{"description":"What a request to power off leads to.","type":"string","enum":["ends","stays","ignored"]})"
    "}}";

Behaviour::Behaviour(std::string_view settings) {
  settings_.Parse(settings.data(), settings.size());
  if (settings_.HasParseError() || !settings_.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, "test-backend: its settings are no JSON object");
  const char* text = std::getenv("ANYVISOR_TEST_BACKEND");
  if (!text || !*text) return;
  json::Document given;
  given.Parse(text);
  if (given.HasParseError() || !given.IsObject())
    throw Failure(ANYVISOR_INVALID_ARGUMENT, "test-backend: ANYVISOR_TEST_BACKEND is no JSON object");
  for (const auto& member : std::as_const(given).GetObject())
    json::set_copy(settings_, settings_, member.name.GetString(), member.value);
}

std::optional<std::string> Behaviour::misbehave(const Context& context, std::string_view operation) const {
  const auto status = static_cast<anyvisor_status>(json::int_or(settings_, "status", ANYVISOR_BACKEND_FAILED));
  if (asked("progress_in", operation))
    for (std::uint64_t part = 0; part <= 10; ++part) context.progress("test work", part, 10);
  if (asked("hang_in", operation))
    for (;;) ::pause();
  if (asked("slow_in", operation)) {
    const auto wanted = std::chrono::milliseconds(json::uint_or(settings_, "slow_ms", 60000));
    // One more: remaining() is rounded down, and the deadline itself must have passed.
    const auto limit = std::min(wanted, context.remaining()) + std::chrono::milliseconds(1);
    pollfd cancelled{context.cancel_fd(), POLLIN, 0};
    if (context.cancel_fd() < 0)
      std::this_thread::sleep_for(limit);
    else
      ::poll(&cancelled, 1, static_cast<int>(limit.count()));
    context.check();
  }
  if (asked("fail_in", operation))
    throw Failure(status, "test-backend fails in " + std::string(operation) + " as told")
        .field("/test")
        .hint("take fail_in out of its settings");
  if (asked("fail_silently_in", operation)) throw sdk::Host::Recorded{status};
  if (asked("crash_in", operation)) {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
  }
  if (asked("exit_in", operation)) ::_exit(7);
  if (asked("throw_in", operation)) throw std::runtime_error("test-backend throws in " + std::string(operation));
  if (asked("throw_strange_in", operation)) throw 42;
  if (asked("ok_with_fail_in", operation)) {
    const Failure failure(status, "test-backend reports a failure and goes on");
    const anyvisor_error error = failure.view();
    context.raw()->fail(context.raw(), &error);
  }
  if (asked("garbage_reply_in", operation)) return "{\"state\": ";
  if (asked("wrong_reply_in", operation)) return R"({"state":"dancing","capabilities":7})";
  if (asked("binary_reply_in", operation)) return "{\"state\":\"running\",\"reason\":\"\xff\xfe\"}";
  if (asked("long_reply_in", operation))
    return R"({"state":"running","reason":")" + std::string(5u << 20, 'x') + R"(","capabilities":{}})";
  return std::nullopt;
}

}  // namespace test_backend
