// SPDX-License-Identifier: MIT
#include "kvm_probe.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <anyvisor/json.hpp>
#include <cerrno>
#include <cstring>

#include "probe_guest.hpp"

namespace anyvisor::sdk {
namespace {

// A descriptor that is closed with it.
class Held {
 public:
  explicit Held(int fd) : fd_(fd) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

void set_command(json::Document& request, const char* member, const std::string& name,
                 const std::vector<std::string>& argv) {
  json::Document command = json::make_object();
  json::set(command, command, "name", name);
  json::set(command, command, "argv", argv);
  json::set(command, command, "marker", probe_marker);
  json::set_copy(request, request, member, command);
}

}  // namespace

std::string why_no_kvm() {
  const Held device(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (device.get() < 0) {
    if (errno == ENOENT) return "this host has no /dev/kvm";
    if (errno == EACCES) return "/dev/kvm may not be opened by this user (add it to the group kvm)";
    return std::string("/dev/kvm cannot be opened: ") + std::strerror(errno);
  }
  if (::ioctl(device.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return "/dev/kvm does not answer like KVM";
  return {};
}

KvmAnswer probe_kvm(const Host& host, const Context& context, const KvmQuestion& question) {
  // A file without a name, which other processes open through this one's /proc entry.
  const Held kernel(::memfd_create("anyvisor-probe", MFD_CLOEXEC));
  const std::string_view bytes = probe_guest();
  if (kernel.get() < 0 || ::write(kernel.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw Failure(ANYVISOR_EXHAUSTED, std::string("cannot make the probe guest: ") + std::strerror(errno));
  const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(kernel.get());

  json::Document request = json::make_object();
  json::set(request, request, "key", question.key);
  set_command(request, "candidate", "kvm", question.on_kvm(path));
  if (question.emulated) set_command(request, "baseline", question.emulation, question.emulated(path));
  json::set(request, request, "limit_ms", question.limit_ms);
  json::Document reply;
  reply.Parse(host.probe_accelerator(context, json::render(request)));
  if (reply.HasParseError() || !reply.IsObject())
    throw Failure(ANYVISOR_INTERNAL, "the host's accelerator probe answered no JSON object");
  KvmAnswer answer{json::bool_or(reply, "usable", false), json::string_or(reply, "reason")};
  if (answer.reason.empty())
    answer.reason = answer.usable ? "a probe showed that KVM works" : "a probe showed that KVM does not work here";
  return answer;
}

}  // namespace anyvisor::sdk
