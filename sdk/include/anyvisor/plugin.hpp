// SPDX-License-Identifier: MIT
// The plugin ABI for C++20 authors: derive from Backend and Machine, ImageStore or Network, and end one source file
// with
//
//   static constexpr const char* schema = R"({"type":"object",...})";
//   ANYVISOR_PLUGIN(anyvisor::sdk::Description{"qemu", "0.1.0", "Runs machines with QEMU", "MIT", schema},
//                   anyvisor::sdk::backend<MyBackend>())
//
// Requests and replies are JSON text; exceptions end at the boundary: throw Failure for what a person should read;
// anything else becomes ANYVISOR_INTERNAL with its what(). Calls on one object are never concurrent unless plugin.h
// says so.
#pragma once

#include <anyvisor/plugin.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Plugins share a process: what is written once for each plugin must not be merged with another plugin's of the same
// name, as template statics with default visibility are (STB_GNU_UNIQUE), even across RTLD_LOCAL.
#if defined(__GNUC__)
#define ANYVISOR_LOCAL __attribute__((visibility("hidden")))
#else
#define ANYVISOR_LOCAL
#endif

namespace anyvisor::sdk {

// What went wrong, for context->fail(): throw Failure(ANYVISOR_NOT_FOUND, "no such image:
// x").hint("...").field("/image");
class Failure : public std::exception {
 public:
  Failure(anyvisor_status status, std::string message) : status_(status), message_(std::move(message)) {}
  Failure& hint(std::string text) & {
    hint_ = std::move(text);
    return *this;
  }
  Failure&& hint(std::string text) && {
    hint_ = std::move(text);
    return std::move(*this);
  }
  Failure& field(std::string pointer) & {
    field_ = std::move(pointer);
    return *this;
  }
  Failure&& field(std::string pointer) && {
    field_ = std::move(pointer);
    return std::move(*this);
  }
  Failure&& retry() && {
    retry_ = true;
    return std::move(*this);
  }
  const char* what() const noexcept override { return message_.c_str(); }
  anyvisor_status status() const { return status_; }

  // Points into this object.
  anyvisor_error view() const& {
    anyvisor_error error{};
    error.struct_size = sizeof error;
    error.status = status_;
    error.message = message_.c_str();
    error.field = field_.empty() ? nullptr : field_.c_str();
    error.hint = hint_.empty() ? nullptr : hint_.c_str();
    error.retry = retry_ ? 1 : 0;
    return error;
  }
  anyvisor_error view() const&& = delete;

 private:
  anyvisor_status status_;
  std::string message_, hint_, field_;
  bool retry_ = false;
};

// "Not mine, ask another plugin."
inline Failure declined(std::string why) {
  return {ANYVISOR_DECLINED, std::move(why)};
}
inline Failure unsupported(std::string why) {
  return {ANYVISOR_UNSUPPORTED, std::move(why)};
}

// The context of one call; valid until that call returns.
class Context {
 public:
  explicit Context(const anyvisor_context* context) : context_(context) {}
  const anyvisor_context* raw() const { return context_; }
  int cancel_fd() const { return context_->cancel_fd; }
  bool cancelled() const { return context_->is_cancelled && context_->is_cancelled(context_) != 0; }
  // Throws when the call is cancelled or past its deadline.
  void check() const {
    if (!cancelled()) return;
    if (remaining() == std::chrono::milliseconds::zero()) throw Failure(ANYVISOR_TIMEOUT, "the time limit has passed");
    throw Failure(ANYVISOR_CANCELLED, "cancelled");
  }
  void progress(const char* phase, std::uint64_t done, std::uint64_t total) const {
    if (context_->progress) context_->progress(context_, phase, done, total);
  }
  // Time left, never negative; a day when there is no deadline.
  std::chrono::milliseconds remaining() const {
    using namespace std::chrono;
    if (context_->deadline_ns == 0) return hours(24);
    auto now = duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
    auto left = static_cast<std::int64_t>(context_->deadline_ns) - now;
    return milliseconds(std::max<std::int64_t>(0, left / 1'000'000));
  }

 private:
  const anyvisor_context* context_;
};

// A process to start or run; descriptors are {ours, number in the child (>= 3)}.
struct Process {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::vector<std::pair<int, int>> fds;
  std::string input;  // run() only
};

// The host's services, for as long as the backend, store or network is open.
class Host {
 public:
  explicit Host(const anyvisor_host* host) : host_(host) {}
  const anyvisor_host* raw() const { return host_; }
  void log(int level, const std::string& line) const { host_->log(host_, level, line.c_str()); }
  std::string temp_folder() const { return host_->temp_folder(host_); }
  // Starts the machine's VMM. Throws the host's failure.
  anyvisor_child spawn(const Context& context, const Process& process) const {
    anyvisor_child child{};
    child.struct_size = sizeof child;
    Packed packed(process);
    raise(host_->spawn(host_, context.raw(), &packed.process, &child));
    return child;
  }
  // Runs a helper to its end; the reply's JSON text: {"status":N,"output":"...","errors":"..."}.
  std::string run(const Context& context, const Process& process) const {
    Packed packed(process);
    const char* reply = nullptr;
    raise(host_->run(host_, context.raw(), &packed.process, &reply));
    return reply ? reply : "{}";
  }
  std::string probe_accelerator(const Context& context, const std::string& request) const {
    const char* reply = nullptr;
    raise(host_->probe_accelerator(host_, context.raw(), request.c_str(), &reply));
    return reply ? reply : "{}";
  }

  // A host service has already recorded its failure in the context: this only unwinds.
  struct Recorded {
    anyvisor_status status;
  };

 private:
  struct Packed {
    explicit Packed(const Process& source) {
      for (const auto& text : source.argv) argv.push_back(text.c_str());
      for (const auto& text : source.env) env.push_back(text.c_str());
      for (auto [ours, theirs] : source.fds) fds.push_back({ours, theirs});
      argv.push_back(nullptr);
      env.push_back(nullptr);
      process.struct_size = sizeof process;
      process.argv = argv.data();
      process.env = env.data();
      process.fds = fds.data();
      process.fd_count = fds.size();
      process.input = source.input.empty() ? nullptr : source.input.c_str();
    }
    std::vector<const char*> argv, env;
    std::vector<anyvisor_fd> fds;
    anyvisor_process process{};
  };
  static void raise(anyvisor_status status) {
    if (status != ANYVISOR_OK) throw Recorded{status};
  }
  const anyvisor_host* host_;
};

// Runs `body` and turns what it throws into the ABI's errors.
template <class Body>
anyvisor_status guarded(const anyvisor_context* context, Body&& body) noexcept {
  try {
    body();
    return ANYVISOR_OK;
  } catch (const Host::Recorded& recorded) {
    return recorded.status;
  } catch (const Failure& failure) {
    anyvisor_error error = failure.view();
    return context->fail(context, &error);
  } catch (const std::exception& exception) {
    anyvisor_error error{};
    error.struct_size = sizeof error;
    error.status = ANYVISOR_INTERNAL;
    error.message = exception.what();
    return context->fail(context, &error);
  } catch (...) {
    anyvisor_error error{};
    error.struct_size = sizeof error;
    error.status = ANYVISOR_INTERNAL;
    error.message = "the plugin threw something that is no std::exception";
    return context->fail(context, &error);
  }
}

// One instance. Defaults: unsupported. plugin.h says what each request and reply holds.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual std::string create(const Context& context, std::string_view request) = 0;
  virtual std::string adopt(const Context& context, std::string_view request) = 0;
  virtual std::string boot(const Context& context, std::string_view request) = 0;
  virtual std::string shutdown(const Context& context, std::string_view request) = 0;
  virtual std::string terminate(const Context& context, std::string_view request) = 0;
  virtual std::string state(const Context& context, std::string_view request) = 0;
  virtual std::string pause(const Context&, std::string_view) { throw unsupported("this backend cannot pause"); }
  virtual std::string resume(const Context&, std::string_view) { throw unsupported("this backend cannot resume"); }
  virtual std::string save(const Context&, std::string_view) { throw unsupported("this backend cannot save memory"); }
  virtual std::string restore(const Context&, std::string_view) {
    throw unsupported("this backend cannot restore memory");
  }
  virtual std::string fork(const Context&, std::string_view) { throw unsupported("this backend cannot fork"); }
  virtual std::string snapshot_disk(const Context&, std::string_view) {
    throw unsupported("no live disk snapshots here");
  }
  virtual std::string attach_device(const Context&, std::string_view) { throw unsupported("no hot-plug here"); }
  virtual std::string detach_device(const Context&, std::string_view) { throw unsupported("no hot-plug here"); }
  virtual std::string resize(const Context&, std::string_view) {
    throw unsupported("a machine cannot be resized here");
  }
  virtual std::string guest_endpoints(const Context&, std::string_view) { return "{}"; }
  virtual std::string on_event(const Context&, std::string_view) { return "{}"; }
  virtual std::string destroy(const Context&, std::string_view) { return "{}"; }
  virtual int event_fd() { return -1; }
};

// A connection to a hypervisor. Derived classes have a constructor (Host, const Context&, std::string_view settings).
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string capabilities(const Context& context, std::string_view request) = 0;
  virtual std::unique_ptr<Machine> attach(const Context& context, std::string_view machine_document) = 0;
  virtual std::string states(const Context&, std::string_view) { throw unsupported("no states of many machines here"); }
  virtual std::string disk_action(const Context&, std::string_view) { throw unsupported("disks are local here"); }
};

// Derived classes have a constructor (Host, const Context&, std::string_view settings).
class ImageStore {
 public:
  virtual ~ImageStore() = default;
  virtual std::string capabilities(const Context& context, std::string_view request) = 0;
  virtual std::string resolve(const Context& context, std::string_view request) = 0;
  virtual std::string list(const Context&, std::string_view) { return R"({"images":[]})"; }
  virtual std::string fetch(const Context& context, std::string_view request) = 0;
};

// Derived classes have a constructor (Host, const Context&, std::string_view settings).
class Network {
 public:
  virtual ~Network() = default;
  virtual std::string capabilities(const Context& context, std::string_view request) = 0;
  virtual std::string acquire(const Context& context, std::string_view request) = 0;
  virtual std::string adopt(const Context& context, std::string_view request) = 0;
  virtual std::string release(const Context& context, std::string_view request) = 0;
};

}  // namespace anyvisor::sdk

#include <anyvisor/plugin_tables.hpp>
