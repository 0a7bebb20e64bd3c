// SPDX-License-Identifier: MIT
#include "host/host_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

#include "host/protocol.hpp"
#include "storage/lock.hpp"

namespace anyvisor {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// What the plugin-host itself adds to a call: it answers a call that hangs one second after its deadline.
constexpr milliseconds answer_margin{2000};
constexpr milliseconds hello_limit{5000};
constexpr milliseconds private_end_limit{2000};

json::Document make_hello() {
  auto document = json::make_object();
  json::Value hello(rapidjson::kObjectType);
  json::set(document, hello, "protocol", host::protocol_version);
  json::set(document, hello, "version", ANYVISOR_VERSION);
  json::set(document, hello, "build", host::build_of_this);
  json::set_value(document, document, "hello", std::move(hello));
  return document;
}

// What came of a child that has ended: 0 and the exit code, or the signal.
struct End {
  bool known = false;
  int code = 0, signal = 0;
};

End reap(const Fd& pidfd, milliseconds patience) {
  pollfd ended{pidfd.get(), POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(patience.count())) != 1) return {};
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0) return {};
  if (info.si_code == CLD_EXITED) return {true, info.si_status, 0};
  return {true, 0, info.si_status};
}

void kill_process(const Fd& pidfd) {
  syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
}

// Plugin-hosts of instances outlive the operation that started them. In a long-living program those that have ended are
// reaped here.
class StartedHosts {
 public:
  void add(Fd pidfd) {
    std::lock_guard guard(mutex_);
    pidfds_.push_back(std::move(pidfd));
  }
  void reap_ended() {
    std::lock_guard guard(mutex_);
    std::erase_if(pidfds_, [](const Fd& pidfd) { return reap(pidfd, milliseconds(0)).known; });
  }
  static StartedHosts& all() {
    static StartedHosts hosts;
    return hosts;
  }

 private:
  std::mutex mutex_;
  std::vector<Fd> pidfds_;
};

std::vector<std::string> with_plugins(std::vector<std::string> argv, const std::vector<std::string>& plugins) {
  for (const auto& plugin : plugins) {
    argv.emplace_back("--plugin");
    argv.push_back(plugin);
  }
  return argv;
}

}  // namespace

struct HostClient::Connection {
  Connection(LineChannel the_channel, int the_pid) : channel(std::move(the_channel)), pid(the_pid) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (!own) return;
    ::shutdown(channel.fd(), SHUT_RDWR);
    if (reap(own, private_end_limit).known) return;
    kill_process(own);
    reap(own, private_end_limit);
  }

  // Exchanges hellos. false: the peer speaks another version.
  Result<bool> greet(Clock::time_point deadline) {
    ANYVISOR_TRY(auto greeting, channel.receive(deadline));
    const auto* hello = json::object_or_null(greeting, "hello");
    if (!hello) return fail(ErrorKind::corrupted, "the plugin-host did not say hello");
    ANYVISOR_CHECK(channel.send(make_hello(), deadline));
    return json::int_or(*hello, "protocol", 0) == host::protocol_version &&
           json::string_or(*hello, "version") == ANYVISOR_VERSION;
  }

  tl::unexpected<Error> ended(const std::string& method) {
    std::string how;
    if (own) {
      End end = reap(own, private_end_limit);
      if (!end.known) {  // it hung up and does not end
        kill_process(own);
        reap(own, private_end_limit);
      }
      own.reset();
      if (end.signal != 0)
        how = " (killed by signal " + std::to_string(end.signal) + ", " + strsignal(end.signal) + ")";
      else if (end.known)
        how = " (exit code " + std::to_string(end.code) + ")";
    }
    return fail(ErrorKind::backend_failed, "the plugin-host ended while " + method + " ran" + how,
                "a plugin has brought it down; the logs of the instance may tell more");
  }

  LineChannel channel;
  int pid = 0;
  Fd own;  // the pidfd of a private plugin-host
  std::uint64_t last_id = 0;
};

HostClient::HostClient(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
HostClient::HostClient(HostClient&&) noexcept = default;
HostClient& HostClient::operator=(HostClient&&) noexcept = default;
HostClient::~HostClient() = default;

int HostClient::pid() const {
  return connection_->pid;
}

Result<HostClient> HostClient::connect(const std::string& folder, milliseconds patience) {
  StartedHosts::all().reap_ended();
  auto deadline = Clock::now() + patience;
  ANYVISOR_TRY(Fd folder_fd, open_folder(folder));
  auto socket = connect_in_folder(folder_fd.get(), "host.sock");
  if (!socket) {
    Error error = std::move(socket).error();
    if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::unavailable;
    return tl::unexpected(std::move(error));
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return fail_errno("cannot tell who listens", errno);
  if (peer.uid != geteuid() && peer.uid != 0)
    return fail(ErrorKind::unavailable, "the plugin-host's socket in \"" + folder + "\" belongs to another user");
  auto connection = std::make_unique<Connection>(LineChannel(std::move(*socket)), peer.pid);
  auto same = connection->greet(deadline);
  if (!same) return fail(ErrorKind::unavailable, "the plugin-host does not answer: " + same.error().message);
  HostClient client(std::move(connection));
  if (*same) return client;
  // After an upgrade: the old one lets go of the VMM, which runs on, and a new one takes over.
  (void)client.call("retire", json::make_object(), patience);
  (void)FileLock::acquire(folder + "/host.lock", FileLock::Mode::exclusive, patience, "the old plugin-host", false);
  return fail(ErrorKind::unavailable, "a plugin-host of another version ran there; it has retired");
}

Result<HostClient> HostClient::connect_or_start(const std::string& program, const std::string& folder,
                                                const std::vector<std::string>& plugins, milliseconds patience) {
  StartedHosts::all().reap_ended();
  auto deadline = Clock::now() + patience;
  auto left = [&] { return std::chrono::duration_cast<milliseconds>(deadline - Clock::now()); };
  auto first = connect(folder, patience);
  if (first || first.error().kind == ErrorKind::not_found) return first;

  Fd started;
  for (milliseconds pause{1};; pause = std::min(pause * 2, milliseconds(20))) {
    // Whoever holds host.lock is about to listen, or about to end. Otherwise, and after one that we started has ended,
    // it is on us.
    bool ours_lives = started && !reap(started, milliseconds(0)).known;
    if (!ours_lives && FileLock::is_free(folder + "/host.lock")) {
      Command command;
      command.argv = with_plugins({program, "--instance", folder}, plugins);
      Fd log(::open((folder + "/logs/anyvisor.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      command.stderr_fd = log.get();
      auto child = spawn(command, "host.start");
      if (!child) return in_context("cannot start the plugin-host", std::move(child).error());
      started = std::move(child->pidfd);
    }
    std::this_thread::sleep_for(pause);
    auto connected = connect(folder, std::max(left(), milliseconds(1)));
    if (connected || connected.error().kind == ErrorKind::not_found || left() <= milliseconds(0)) {
      if (started) StartedHosts::all().add(std::move(started));
      if (connected || connected.error().kind == ErrorKind::not_found) return connected;
      return fail(ErrorKind::timeout,
                  "the plugin-host in \"" + folder + "\" did not come up: " + connected.error().message,
                  "see " + folder + "/logs/anyvisor.log");
    }
  }
}

Result<HostClient> HostClient::start_private(const std::string& program, const std::vector<std::string>& plugins,
                                             const std::string& home) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("cannot make a socket pair", errno);
  Fd ours(ends[0]), theirs(ends[1]);
  Command command;
  command.argv = {program, "--connection", "3"};
  if (!home.empty()) {
    command.argv.emplace_back("--home");
    command.argv.push_back(home);
  }
  command.argv = with_plugins(std::move(command.argv), plugins);
  command.fds = {{theirs.get(), 3}};
  Fd errors(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  if (getenv("ANYVISOR_LOG")) command.stderr_fd = errors.get();
  auto child = spawn(command, "host.start-private");
  if (!child) return in_context("cannot start the plugin-host", std::move(child).error());
  theirs.reset();
  auto connection = std::make_unique<Connection>(LineChannel(std::move(ours)), child->pid);
  connection->own = std::move(child->pidfd);
  auto same = connection->greet(Clock::now() + hello_limit);
  if (!same) return connection->ended("its start");
  if (!*same)
    return fail(ErrorKind::unavailable, "\"" + program + "\" is of another version than this library",
                "install both anew");
  return HostClient(std::move(connection));
}

Result<json::Document> HostClient::call(const std::string& method, const json::Value& params, milliseconds limit) {
  Operation quiet;
  return call(method, params, limit, quiet);
}

Result<json::Document> HostClient::call(const std::string& method, const json::Value& params, milliseconds limit,
                                        Operation& operation) {
  auto deadline = Clock::now() + limit + answer_margin;
  std::uint64_t id = ++connection_->last_id;
  auto request = json::make_object();
  json::set(request, request, "id", id);
  json::set(request, request, "method", method);
  json::set_copy(request, request, "params", params);
  json::set(request, request, "deadline_ms", static_cast<std::int64_t>(limit.count()));
  if (auto sent = connection_->channel.send(request, deadline); !sent) {
    if (sent.error().kind == ErrorKind::unavailable) return connection_->ended(method);
    return tl::unexpected(std::move(sent).error());
  }
  int cancel_fd = operation.cancel_fd;
  for (;;) {
    auto message = connection_->channel.receive(deadline, cancel_fd);
    if (!message && message.error().kind == ErrorKind::cancelled) {
      cancel_fd = -1;  // said once; the answer tells what came of it
      auto cancel = json::make_object();
      json::set(cancel, cancel, "cancel", id);
      (void)connection_->channel.send(cancel, deadline);
      continue;
    }
    if (!message && message.error().kind == ErrorKind::unavailable) return connection_->ended(method);
    if (!message && message.error().kind == ErrorKind::timeout) {
      if (connection_->own) kill_process(connection_->own);
      return fail(ErrorKind::timeout, "no answer to " + method + " within " + std::to_string(limit.count()) + " ms");
    }
    if (!message) return message;
    if (json::uint_or(*message, "id", 0) != id) continue;  // of an earlier call that was given up
    if (const auto* progress = json::object_or_null(*message, "progress")) {
      if (operation.progress)
        operation.progress(json::string_or(*progress, "phase"), json::uint_or(*progress, "done", 0),
                           json::uint_or(*progress, "total", 0));
      continue;
    }
    if (const auto* error = json::object_or_null(*message, "error")) return tl::unexpected(json::to_error(*error));
    const auto* result = json::object_or_null(*message, "result");
    if (!result) return fail(ErrorKind::corrupted, "the plugin-host answered " + method + " without a result");
    json::Document document;
    document.CopyFrom(*result, document.GetAllocator());
    return document;
  }
}

}  // namespace anyvisor
