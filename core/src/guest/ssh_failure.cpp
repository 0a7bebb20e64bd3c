// SPDX-License-Identifier: MIT
// ssh tells what went wrong in words only, with the same exit code for all of it.
#include <algorithm>
#include <array>

#include "guest/ssh_access.hpp"

namespace anyvisor {
namespace {

bool says(std::string_view text, std::initializer_list<std::string_view> phrases) {
  return std::ranges::any_of(phrases, [&](auto phrase) { return text.find(phrase) != std::string_view::npos; });
}

// The last line that says something, as ssh's own words behind ours.
std::string last_line(std::string_view text) {
  std::string last;
  while (!text.empty()) {
    const auto end = text.find_first_of("\r\n");
    const auto line = text.substr(0, end);
    if (!line.empty()) last = line;
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return last;
}

Error make(ErrorKind kind, std::string message, std::string hint, bool retry = false) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  error.hint = std::move(hint);
  error.retry = retry;
  return error;
}

}  // namespace

Error explain_ssh_failure(const SshAccess& access, std::string_view said) {
  const std::string name = "\"" + access.instance + "\"";
  const std::string line = last_line(said);
  const std::string behind = line.empty() ? "" : " (ssh: " + line + ")";
  const std::string place = access.place();
  if (says(said, {"Host key verification failed", "HOST IDENTIFICATION HAS CHANGED", "host key is known for"}))
    return make(ErrorKind::unavailable,
                "who answers at " + place + " does not show a host key that the guest of " + name + " was given",
                "it may be another machine, or its keys were replaced inside; those it must show stand in " +
                    access.home + "/" + access.known_hosts);
  if (says(said, {"Permission denied", "not permitted to log in", "Too many authentication failures"}))
    return make(ErrorKind::not_ready,
                "the guest of " + name + " does not let " + access.user + " in with the key of this home folder",
                "while cloud-init works that is normal: anyvisor wait " + access.instance +
                    " --for cloud-init. Else the key was removed inside",
                true);
  if (says(said, {"bad permissions", "Permissions 0", "invalid format", "error in libcrypto"}))
    return make(ErrorKind::corrupted, "ssh does not take the key of this home folder" + behind,
                "see " + access.home + "/" + access.key + ": mode 0600, and nobody else's");
  // Of vsock-dial, which itself says nothing.
  if (says(said, {"did not pass back a connection"}))
    return make(ErrorKind::not_ready, "nobody answers at vsock port 22 in the guest of " + name + " yet",
                "it may still be booting: anyvisor wait " + access.instance +
                    " --for ssh; a guest has to serve ssh there, as the image debian:bookworm does",
                true);
  if (says(said, {"Connection refused", "Connection timed out", "timed out", "No route to host",
                  "kex_exchange_identification", "banner exchange", "Connection reset by"}))
    return make(ErrorKind::not_ready, "no ssh server answers in the guest of " + name + " yet" + behind,
                "it may still be booting: anyvisor wait " + access.instance +
                    " --for ssh; its console: anyvisor logs " + access.instance,
                true);
  if (says(said, {"closed by remote host", "Connection closed", "Broken pipe", "not responding", "disconnect"}))
    return make(ErrorKind::backend_failed, "the connection to the guest of " + name + " ended" + behind,
                "it may be going down: anyvisor info " + access.instance, true);
  return make(ErrorKind::backend_failed, "ssh to the guest of " + name + " failed" + behind,
              "its console may tell more: anyvisor logs " + access.instance);
}

}  // namespace anyvisor
