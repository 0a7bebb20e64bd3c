// SPDX-License-Identifier: MIT
#include "guest/ssh_access.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "guest/remote_command.hpp"
#include "instance/machine_control.hpp"
#include "process/process_identity.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

constexpr unsigned ssh_port = 22;
constexpr std::chrono::milliseconds host_patience{10000};

// Where a connection from this machine goes that was published on `host_address`.
std::string address_to_connect(const std::string& host_address) {
  if (host_address.empty() || host_address == "0.0.0.0") return "127.0.0.1";
  return host_address == "::" ? "::1" : host_address;
}

std::optional<PublishedPort> published_ssh(const ProcessRecord& process) {
  rapidjson::Document endpoints;
  endpoints.Parse(process.endpoints.data(), process.endpoints.size());
  if (endpoints.HasParseError()) return {};
  for (const auto& endpoint : endpoints_from_json(endpoints))
    for (const auto& port : endpoint.publish)
      if (port.protocol == "tcp" && port.guest_port == ssh_port && port.host_port != 0) return port;
  return {};
}

tl::unexpected<Error> no_way(const InstanceRecord& record, const std::string& how, const std::string& why,
                             std::string hint) {
  return fail(ErrorKind::unsupported,
              how + " leads to the ssh server of \"" + record.name + "\"" + (why.empty() ? "" : ": " + why),
              std::move(hint));
}

// Its vsock device, which it must have: `running` says so, what it runs with.
Result<VsockRoute> find_vsock(const Workspace& workspace, const InstanceRecord& record, std::uint32_t running) {
  Operation quiet;
  if (running == 0 && record.vsock_cid == 0)
    return no_way(record, "no vsock", "it was made without a vsock device",
                  "clone it, or launch another one: machines get one now");
  ANYVISOR_TRY(auto machine, MachineControl::reach(workspace, record, host_patience));
  if (running == 0)
    return no_way(record, "no vsock", machine.reason_against("vsock", quiet),
                  "once that is mended, stop it and start it again");
  VsockRoute route;
  route.cid = running;
  route.port = ssh_port;
  ANYVISOR_TRY(route.socket, machine.vsock_socket(quiet));
  return route;
}

tl::unexpected<Error> not_running(const InstanceRecord& record, const Observed& observed) {
  std::string message = "instance \"" + record.name + "\" is " + std::string(state_name(observed.state));
  if (!observed.reason.empty()) message += " (" + observed.reason + ")";
  const bool can_start =
      observed.state == State::stopped || observed.state == State::shutdown || observed.state == State::standby;
  return fail(
      ErrorKind::invalid_state, message + ": nothing in its guest can answer",
      can_start ? "start it with 'anyvisor start " + record.name + "'" : "see 'anyvisor info " + record.name + "'");
}

// ssh reads its configuration as words: a name with a blank or a quote in it would become others.
bool is_plain_word(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

}  // namespace

std::string SshAccess::place() const {
  return vsock ? "its vsock port " + std::to_string(vsock->port) : address + " port " + std::to_string(port);
}

Result<SshAccess> find_ssh_access(const Workspace& workspace, const InstanceRecord& record, Via via) {
  if (record.user.empty())
    return fail(ErrorKind::unsupported,
                "anyvisor has no login in the guest of \"" + record.name + "\": its image \"" + record.image +
                    "\" is not one that cloud-init sets up",
                "launch from debian:bookworm, or import the image with 'anyvisor image import FILE --cloud-init'");
  const Observed observed = observe(workspace, record);
  if (observed.state != State::running) return not_running(record, observed);
  auto process = read_process_record(workspace.home.instance(record.id));
  const auto port = process && via != Via::vsock ? published_ssh(*process) : std::nullopt;
  const std::uint32_t cid = process ? vsock_cid_of(process->hardware) : 0;
  if (via != Via::vsock && !port && (via == Via::network || cid == 0))
    return no_way(record, cid == 0 ? "neither a port of this machine nor vsock" : "no port of this machine", "",
                  cid == 0 ? "launch it with a network, or with --publish 0:22" : "try --via vsock");

  SshAccess access;
  access.instance = record.name;
  access.alias = Home::host_key_alias(record.id);
  if (port) {
    access.address = address_to_connect(port->host_address);
    access.port = port->host_port;
  } else {
    ANYVISOR_TRY(access.vsock, find_vsock(workspace, record, cid));
    access.address = "vsock";
    access.vsock_dial = workspace.vsock_dial;
  }
  access.user = record.user;
  access.home = workspace.home.path();
  access.key = workspace.home.ssh_key().substr(access.home.size() + 1);
  access.known_hosts = workspace.home.known_hosts(record.id).substr(access.home.size() + 1);
  if (!is_plain_word(access.user) || access.user.front() == '-' || !is_plain_word(access.address))
    return fail(ErrorKind::corrupted, "instance \"" + record.name + "\": \"" + access.user + "\" at \"" +
                                          access.address + "\" is no login that ssh can be given");
  if (::access((access.home + "/" + access.known_hosts).c_str(), R_OK) != 0)
    return fail(ErrorKind::corrupted,
                "the host keys of \"" + record.name + "\" are missing: " + access.home + "/" + access.known_hosts,
                "nothing tells its guest from another one any more; its console still works: anyvisor logs");
  if (::access((access.home + "/" + access.key).c_str(), R_OK) != 0)
    return fail(ErrorKind::corrupted,
                "the ssh key of this home folder cannot be read: " + access.home + "/" + access.key,
                "guests know no other key; put it back from a copy, or launch the instance anew");
  return access;
}

namespace {

// A word of ProxyCommand, which ssh reads for its own % first and then gives to a shell.
std::string proxy_word(std::string_view word) {
  std::string text;
  for (const char c : quote_for_shell(word)) text += c == '%' ? std::string("%%") : std::string(1, c);
  return text;
}

std::string route_lines(const SshAccess& access, unsigned connect_limit) {
  const std::string lines = "  HostName " + access.address + "\n";
  if (!access.vsock) return lines + "  Port " + std::to_string(access.port) + "\n";
  const auto& route = *access.vsock;
  const std::string target =
      route.socket.empty() ? " cid " + std::to_string(route.cid) : " socket " + proxy_word(route.socket);
  return lines + "  ProxyCommand " + proxy_word(access.vsock_dial) + " " + std::to_string(connect_limit) + " " +
         std::to_string(route.port) + target + "\n  ProxyUseFdpass yes\n";
}

}  // namespace

std::string ssh_config(const std::vector<SshAccess>& accesses, unsigned connect_limit) {
  std::string text;
  for (const auto& access : accesses)
    text += "Host " + access.alias + "\n" + route_lines(access, connect_limit) + "  User " + access.user +
            "\n  HostKeyAlias " + access.alias + "\n  UserKnownHostsFile " + access.known_hosts + "\n  IdentityFile " +
            access.key + "\n";
  text +=
      "Host *\n"
      // Who answers must be the guest whose keys were made here; nothing is asked, learned or remembered.
      "  StrictHostKeyChecking yes\n"
      "  GlobalKnownHostsFile /dev/null\n"
      "  CheckHostIP no\n"
      "  UpdateHostKeys no\n"
      "  VerifyHostKeyDNS no\n"
      // Our key, and no other way to log in.
      "  IdentitiesOnly yes\n"
      "  IdentityAgent none\n"
      "  AddKeysToAgent no\n"
      "  PreferredAuthentications publickey\n"
      "  PasswordAuthentication no\n"
      "  KbdInteractiveAuthentication no\n"
      "  GSSAPIAuthentication no\n"
      "  HostbasedAuthentication no\n"
      "  BatchMode yes\n"
      // A guest gets nothing of this machine.
      "  ForwardAgent no\n"
      "  ForwardX11 no\n"
      "  ClearAllForwardings yes\n"
      "  PermitLocalCommand no\n"
      "  Tunnel no\n"
      "  ControlMaster no\n"
      "  ControlPath none\n"
      "  CanonicalizeHostname no\n"
      "  EscapeChar none\n"
      // A guest that has died is noticed after two minutes; one that is slow is not taken for dead.
      "  ServerAliveInterval 20\n"
      "  ServerAliveCountMax 6\n"
      "  ConnectionAttempts 1\n"
      "  ConnectTimeout " +
      std::to_string(connect_limit) +
      "\n"
      "  LogLevel ERROR\n";
  return text;
}

Result<std::string> find_ssh_program(const std::string& name) {
  auto found = find_program(name);
  if (!found)
    return fail(ErrorKind::unavailable, "the program \"" + name + "\" is not installed: guests are reached through it",
                "install it: apt install openssh-client");
  return found;
}

Result<NamelessFile> NamelessFile::make(std::string_view content) {
  Fd fd(::memfd_create("anyvisor-ssh", MFD_CLOEXEC));
  if (!fd) return fail_errno("cannot make a file in memory", errno);
  ANYVISOR_CHECK(write_all(fd.get(), content));
  return NamelessFile(std::move(fd));
}

// By our pid: ssh closes every descriptor that it inherits.
std::string NamelessFile::path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
}

std::string NamelessFile::content() const {
  return read_file("/proc/self/fd/" + std::to_string(fd_.get())).value_or("");
}

}  // namespace anyvisor
