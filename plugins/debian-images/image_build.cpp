// SPDX-License-Identifier: MIT
#include "image_build.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "build_log.hpp"
#include "recipe.hpp"
#include "requirements.hpp"

namespace debian_images {

namespace json = anyvisor::json;
using anyvisor::sdk::Context;
using anyvisor::sdk::Failure;
using anyvisor::sdk::Host;
using anyvisor::sdk::Process;

namespace {

constexpr int lock_in_child = 3, output_in_child = 4;
constexpr std::size_t longest_line = 1U << 20;

// `script` as root of namespaces of its own. Chained so that no process outlives this one, however it ends: setpriv
// ties unshare to this thread, unshare ties to itself the first process of the pid namespace, and with that all end.
Process in_namespaces(std::string_view script, std::vector<std::string> arguments) {
  Process process;
  process.argv = {"setpriv", "--pdeathsig", "KILL", "unshare"};
  if (::geteuid() != 0) process.argv.insert(process.argv.end(), {"--map-auto", "--map-root-user"});
  process.argv.insert(process.argv.end(), {"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                                           std::string(script), "debian-images"});
  for (auto& argument : arguments) process.argv.push_back(std::move(argument));
  process.env = {"PATH=" + search_path(), "LC_ALL=C.UTF-8"};
  return process;
}

struct Ended {
  int status;
  std::string errors;
};

Ended run(const Host& host, const Context& context, const Process& process) {
  json::Document reply;
  const std::string text = host.run(context, process);
  if (reply.Parse(text.c_str(), text.size()).HasParseError())
    throw Failure(ANYVISOR_INTERNAL, "the host's answer is no JSON");
  return {static_cast<int>(json::uint_or(reply, "status", 255)), json::string_or(reply, "errors")};
}

// The output of a build, read by a thread of its own while the host waits for the build's end.
class Listener {
 public:
  Listener(const Context& context, const std::string& log_file) : context_(context), file_(log_file) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw Failure(ANYVISOR_INTERNAL, std::string("cannot make a pipe: ") + std::strerror(errno));
    read_end_ = ends[0];
    write_end_ = ends[1];
    ::fcntl(read_end_, F_SETFL, O_NONBLOCK);
    thread_ = std::thread([this] { listen(); });
  }
  ~Listener() { finish(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int write_end() const { return write_end_; }
  // All that the build has printed is in the log afterwards, and `more` after it.
  const BuildLog& finish(std::string_view more = {}) {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
    take(more);
    for (int* end : {&read_end_, &write_end_})
      if (*end >= 0) ::close(std::exchange(*end, -1));
    return log_;
  }

 private:
  void listen() {
    constexpr int interval_ms = 100;
    std::array<char, 16384> chunk{};
    while (true) {
      const bool last = ended_;  // before the read: what was written before the end is read
      const ssize_t got = ::read(read_end_, chunk.data(), chunk.size());
      if (got > 0) {
        take({chunk.data(), static_cast<std::size_t>(got)});
        continue;
      }
      if (last) break;
      pollfd readable{read_end_, POLLIN, 0};
      ::poll(&readable, 1, interval_ms);
    }
    take("\n");
  }
  void take(std::string_view text) {
    file_ << text;
    file_.flush();
    rest_ += text;
    const BuildProgress before = log_.progress();
    // Nothing printed by a build has lines of this length.
    if (rest_.size() > longest_line) rest_.clear();
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
      if (end > 0) log_.add(std::string_view(rest_).substr(0, end));
      rest_.erase(0, end + 1);
    }
    const BuildProgress& now = log_.progress();
    if (now != before) context_.progress(now.phase.c_str(), now.done, now.total);
  }

  const Context& context_;
  std::ofstream file_;  // for people who want to know more; losing it matters to nobody
  BuildLog log_;
  std::string rest_;
  int read_end_ = -1, write_end_ = -1;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

// The files have many owners: only the root of a namespace can remove them.
void remove_folder(const Host& host, const Context& context, const std::string& folder, const BuildLock& lock) {
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0) return;
  Process process = in_namespaces("exec rm -rf --one-file-system -- \"$1\"", {folder});
  process.fds = {{lock.fd(), lock_in_child}};
  if (const Ended ended = run(host, context, process); ended.status != 0)
    throw Failure(ANYVISOR_UNAVAILABLE, "cannot remove \"" + folder + "\": " + ended.errors)
        .hint("remove it by hand, as root");
}

std::string first_line(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::string make_manifest(const Suite& suite, const std::string& folder, const std::string& key) {
  json::Document manifest = json::make_object();
  auto part = [&](const char* name, const char* file) {
    json::Value value(rapidjson::kObjectType);
    json::set(manifest, value, "file", file);
    json::set_value(manifest, manifest, name, std::move(value));
  };
  const std::string version(suite.version.empty() ? suite.name : suite.version);
  json::set(manifest, manifest, "name", canonical_name(suite));
  json::set(manifest, manifest, "version", version);
  json::set(manifest, manifest, "summary", title(suite) + " with cloud-init");
  json::set(manifest, manifest, "digest", "sha256:" + first_line(folder + "/sha256"));
  json::Value disk(rapidjson::kObjectType);
  json::set(manifest, disk, "file", "disk.qcow2");
  json::set(manifest, disk, "format", "qcow2");
  json::set(manifest, disk, "virtual_size", static_cast<std::uint64_t>(std::stoull(first_line(folder + "/size"))));
  json::set_value(manifest, manifest, "disk", std::move(disk));
  part("kernel", "kernel");
  part("initrd", "initrd");
  json::set(manifest, manifest, "command_line", first_line(folder + "/command-line"));
  json::set(manifest, manifest, "firmware", "uefi");
  json::set(manifest, manifest, "cloud_init", true);
  json::set(manifest, manifest, "user", "debian");
  json::set(manifest, manifest, "ssh_over_vsock", true);
  json::set(manifest, manifest, "key", key);
  return json::render_pretty(manifest);
}

}  // namespace

void build_image(const Host& host, const Context& context, const BuildRequest& request, const ImageCache& cache,
                 const BuildLock& lock) {
  context.progress("looking for what a killed build left", 0, 0);
  remove_folder(host, context, cache.making(), lock);
  remove_folder(host, context, cache.image(), lock);
  cache.check_space();
  if (::mkdir(cache.making().c_str(), 0700) != 0)
    throw Failure(errno == ENOSPC ? ANYVISOR_EXHAUSTED : ANYVISOR_UNAVAILABLE,
                  "cannot make the folder \"" + cache.making() + "\": " + std::strerror(errno));
  Listener listener(context, cache.log());
  Process process = in_namespaces(recipe::build, {cache.making(), std::string(request.suite.name), request.mirror});
  process.env.push_back("CUSTOMIZE=" + std::string(recipe::customize));
  process.env.push_back("HOST_APT=" + std::string(recipe::host_apt));
  process.fds = {{lock.fd(), lock_in_child}, {listener.write_end(), output_in_child}};
  const Ended ended = [&] {
    try {
      return run(host, context, process);
    } catch (const Host::Recorded& recorded) {  // the host speaks of setpriv, which nobody asked for
      const std::string subject = "building " + canonical_name(request.suite);
      if (recorded.status == ANYVISOR_CANCELLED) throw Failure(ANYVISOR_CANCELLED, subject + " was cancelled");
      if (recorded.status == ANYVISOR_TIMEOUT) throw Failure(ANYVISOR_TIMEOUT, subject + " took too long");
      throw;
    }
  }();
  const BuildLog& log = listener.finish(ended.errors);
  if (ended.status != 0) {
    for (const auto& line : log.tail()) host.log(ANYVISOR_LOG_ERROR, line);
    Failure failure = log.failure(canonical_name(request.suite), request.mirror, cache.folder(), cache.log());
    remove_folder(host, context, cache.making(), lock);
    throw failure;
  }
  context.progress("saving the image", 0, 0);
  cache.publish(cache.making() + "/result", make_manifest(request.suite, cache.making(), cache.key()));
  remove_folder(host, context, cache.making(), lock);
}

}  // namespace debian_images
