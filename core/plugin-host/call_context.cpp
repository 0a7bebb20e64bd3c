// SPDX-License-Identifier: MIT
#include "call_context.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "document/json.hpp"

namespace anyvisor::host {
namespace {

constexpr std::size_t longest_text = 64 * 1024;  // of a message or hint; a plugin that says more has gone wrong

const CallContext& self(const anyvisor_context* context) {
  return *static_cast<const CallContext*>(context->host_data);
}

// ABI status codes from 2 on are the error kinds in their order.
constexpr int first_kind = ANYVISOR_NOT_FOUND;

}  // namespace

std::string plugin_text(const char* text) {
  if (!text) return {};
  return json::valid_utf8(std::string_view(text, strnlen(text, longest_text)));
}

ErrorKind kind_of(anyvisor_status status) {
  if (status < ANYVISOR_NOT_FOUND || status > ANYVISOR_INTERNAL) return ErrorKind::internal;
  return static_cast<ErrorKind>(status - first_kind);
}

anyvisor_status status_of(ErrorKind kind) {
  return static_cast<anyvisor_status>(kind) + first_kind;
}

CallContext::CallContext(Clock::time_point deadline, ProgressSink progress)
    : deadline_(deadline), progress_(std::move(progress)), cancel_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  context_.struct_size = sizeof context_;
  context_.cancel_fd = cancel_.get();
  context_.deadline_ns = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count());
  context_.host_data = this;
  context_.is_cancelled = [](const anyvisor_context* context) -> std::int32_t {
    return self(context).is_cancelled() ? 1 : 0;
  };
  context_.progress = [](const anyvisor_context* context, const char* phase, std::uint64_t done, std::uint64_t total) {
    if (self(context).progress_) self(context).progress_(plugin_text(phase), done, total);
  };
  context_.fail = on_fail;
}

void CallContext::cancel() {
  cancelled_ = true;
  const std::uint64_t one = 1;
  (void)!::write(cancel_.get(), &one, sizeof one);
}

anyvisor_status CallContext::on_fail(const anyvisor_context* context, const anyvisor_error* given) {
  const CallContext& call = self(context);
  anyvisor_error copy{};
  if (given) std::memcpy(&copy, given, std::min<std::size_t>(given->struct_size, sizeof copy));
  Error error;
  error.kind = kind_of(copy.status);
  error.message = plugin_text(copy.message);
  error.field = plugin_text(copy.field);
  error.hint = plugin_text(copy.hint);
  error.retry = copy.retry != 0;
  call.failure_ = std::move(error);
  call.failed_with_ = copy.status == ANYVISOR_OK ? ANYVISOR_INTERNAL : copy.status;
  return call.failed_with_;
}

anyvisor_status CallContext::record(const Error& error) const {
  failure_ = error;
  failed_with_ = status_of(error.kind);
  return failed_with_;
}

Result<void> CallContext::outcome(anyvisor_status status, const std::string& what,
                                  std::optional<std::string>* declined) {
  auto failure = std::exchange(failure_, std::nullopt);
  if (status == ANYVISOR_OK) {
    if (!failure) return {};
    return fail(ErrorKind::internal, what + " reported a failure and then returned success: " + failure->message,
                "tell the plugin's author: this breaks the plugin contract");
  }
  std::string message = failure && !failure->message.empty() ? failure->message : std::string();
  if (status == ANYVISOR_DECLINED && declined) {
    *declined = message.empty() ? "not its kind" : message;
    return {};
  }
  if (status < ANYVISOR_DECLINED || status > ANYVISOR_INTERNAL)
    return fail(
        ErrorKind::internal,
        what + " returned the unknown status " + std::to_string(status) + (message.empty() ? "" : ": " + message),
        "tell the plugin's author: this breaks the plugin contract");
  Error error = failure ? std::move(*failure) : Error{};
  error.kind = status == ANYVISOR_DECLINED ? ErrorKind::unsupported : kind_of(status);
  if (message.empty())
    error.message = what + " failed and did not say why";
  else if (error.kind == ErrorKind::internal)  // a mistake of the plugin's: its message may not even name it
    error.message = what + ": " + message;
  else
    error.message = std::move(message);
  return tl::unexpected(std::move(error));
}

}  // namespace anyvisor::host
