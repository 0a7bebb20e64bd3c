// SPDX-License-Identifier: MIT
// copy: OpenSSH's scp over its sftp protocol (-s), in which the client makes up the names of what it writes: a guest
// can name no file outside of the target. The older protocol, in which the server names them, is never used.
#include "guest/copy.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "guest/ssh_access.hpp"
#include "instance/locked_instance.hpp"
#include "process/spawn.hpp"

namespace anyvisor {
namespace {

constexpr unsigned connect_limit = 30;  // seconds
constexpr int ssh_failed = 255;

// Relative to where the caller is: scp itself runs in the home folder.
Result<std::string> absolute(const std::string& path) {
  if (path.front() == '/') return path;
  std::string here(PATH_MAX, '\0');
  if (!::getcwd(here.data(), here.size())) return fail_errno("cannot tell the current folder", errno);
  here.resize(here.find('\0'));
  return here + "/" + path;
}

// A source in a guest is a pattern to scp.
std::string without_wildcards(const std::string& path) {
  std::string escaped;
  for (char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

Result<void> check_local_source(const std::string& path, bool recursive) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno("cannot copy \"" + path + "\"", errno);
  if (S_ISDIR(status.st_mode) && !recursive)
    return fail(ErrorKind::invalid_argument, "\"" + path + "\" is a folder",
                "add -r to copy it with all that is in it");
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
    return fail(ErrorKind::invalid_argument, "\"" + path + "\" is neither a file nor a folder");
  return {};
}

// Said beforehand, since scp's words for it differ by the way it goes.
Result<void> check_local_target(const std::string& path, bool several) {
  struct stat status {};
  const bool there = ::stat(path.c_str(), &status) == 0;
  if (several && !(there && S_ISDIR(status.st_mode)))
    return fail(ErrorKind::invalid_argument, "\"" + path + "\" is no folder, and several things are to be copied there",
                "make the folder first, or name one that is there");
  if (there) return {};
  const std::string parent = path.substr(0, path.find_last_not_of('/') + 1);
  const auto slash = parent.rfind('/');
  const std::string folder = slash == 0 || slash == std::string::npos ? "/" : parent.substr(0, slash);
  if (::stat(folder.c_str(), &status) != 0)
    return fail_errno("cannot copy to \"" + path + "\": \"" + folder + "\"", errno);
  return {};
}

bool contains(const std::string& text, std::string_view phrase) {
  return text.find(phrase) != std::string::npos;
}

// What scp said, without its own name, as one line.
std::string words_of(std::string said) {
  std::string line;
  for (std::size_t begin = 0; begin < said.size();) {
    const auto end = std::min(said.find('\n', begin), said.size());
    std::string part = said.substr(begin, end - begin);
    begin = end + 1;
    if (!part.empty() && part.back() == '\r') part.pop_back();
    if (part.starts_with("scp: ")) part.erase(0, 5);
    if (!part.empty()) line += (line.empty() ? "" : "; ") + part;
  }
  constexpr std::size_t longest = 600;
  if (line.size() > longest) line = line.substr(0, longest) + " ...";
  return line;
}

tl::unexpected<Error> explain(const std::vector<SshAccess>& accesses, int status, const std::string& said) {
  if (status == ssh_failed || (!accesses.empty() && contains(said, "Connection closed") && !contains(said, "scp: /")))
    if (!accesses.empty()) return tl::unexpected(explain_ssh_failure(accesses.front(), said));
  const std::string words = words_of(said);
  const std::string message = "cannot copy everything: " + (words.empty() ? "scp does not say why" : words);
  if (contains(said, "not a regular file"))
    return fail(ErrorKind::invalid_argument, message, "to copy a folder with all that is in it, add -r");
  if (contains(said, "No such file or directory"))
    return fail(ErrorKind::not_found, message, "paths in a guest begin in its user's home unless they begin with /");
  if (contains(said, "Permission denied"))
    return fail(ErrorKind::unavailable, message,
                "what is root's goes through a shell: anyvisor exec NAME -- sudo sh -c 'cat >/etc/file' <file");
  if (contains(said, "No space left") || contains(said, "Disk quota"))
    return fail(ErrorKind::exhausted, message, "what was copied so far is there; make room, and copy again");
  if (contains(said, "Failure"))
    return fail(ErrorKind::exhausted, message, "the guest's disk may be full: anyvisor exec NAME -- df -h");
  if (contains(said, "Is a directory") || contains(said, "ot a directory"))
    return fail(ErrorKind::invalid_argument, message, "name a folder that is there as the target");
  return fail(ErrorKind::backend_failed, message);
}

// Runs it to its end. With a terminal it stays in our process group: scp draws only there.
Result<int> run_scp(const Command& command, int cancel_fd) {
  ANYVISOR_TRY(const Child child, spawn(command, "scp.start"));
  bool cancelled = false;
  for (;;) {
    pollfd watched[] = {{child.pidfd.get(), POLLIN, 0}, {cancelled ? -1 : cancel_fd, POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0 && errno != EINTR) return fail_errno("cannot wait for scp", errno);
    if (watched[1].revents != 0) {
      cancelled = true;
      ::kill(child.pid, SIGTERM);  // it ends its ssh too
    }
    if (watched[0].revents != 0) break;
  }
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) != 0)
    if (errno != EINTR) return fail_errno("cannot tell how scp ended", errno);
  if (cancelled)
    return fail(ErrorKind::cancelled, "the copying was cancelled", "what was copied so far is there, perhaps in part");
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

}  // namespace

Result<void> copy_over_ssh(const std::map<std::string, SshAccess>& accesses, const CopyRequest& request,
                           int cancel_fd) {
  if (request.sources.empty()) return fail(ErrorKind::invalid_argument, "there is nothing to copy");
  ANYVISOR_CHECK(find_ssh_program("scp"));
  std::vector<SshAccess> used;
  for (const auto& [name, access] : accesses) used.push_back(access);
  ANYVISOR_TRY(auto config, NamelessFile::make(ssh_config(used, connect_limit)));
  const bool to_terminal = request.progress_fd >= 0;
  Command command;
  // Not -q, which silences ssh's own errors too; progress is drawn on a terminal only.
  command.argv = {"scp", "-s", "-3", "-F", config.path()};
  if (request.recursive) command.argv.emplace_back("-r");
  command.argv.emplace_back("--");
  for (const auto& source : request.sources) {
    if (source.path.find('\0') != std::string::npos)
      return fail(ErrorKind::invalid_argument, "a path cannot hold a NUL byte");
    if (!source.instance.empty()) {
      command.argv.push_back(accesses.at(source.instance).alias + ":" + without_wildcards(source.path));
      continue;
    }
    ANYVISOR_TRY(std::string path, absolute(source.path));
    ANYVISOR_CHECK(check_local_source(path, request.recursive));
    command.argv.push_back(std::move(path));
  }
  if (request.destination.instance.empty()) {
    ANYVISOR_TRY(std::string path, absolute(request.destination.path));
    ANYVISOR_CHECK(check_local_target(path, request.sources.size() > 1));
    command.argv.push_back(std::move(path));
  } else {
    command.argv.push_back(accesses.at(request.destination.instance).alias + ":" + request.destination.path);
  }
  command.folder = used.front().home;
  command.stdout_fd = request.progress_fd;
  command.new_session = !to_terminal;
  command.env.emplace_back("LC_ALL=C.UTF-8");
  ANYVISOR_TRY(const auto said, NamelessFile::make(""));
  command.stderr_fd = said.fd();
  ANYVISOR_TRY(const int status, run_scp(command, cancel_fd));
  if (status == 0) return {};
  return explain(used, status, said.content());
}

Result<void> copy(const Workspace& workspace, const CopyRequest& request, Operation& operation) {
  std::map<std::string, SshAccess> accesses;
  const auto reach = [&](const std::string& name) -> Result<void> {
    if (name.empty() || accesses.contains(name)) return {};
    ANYVISOR_TRY(auto record, find_instance(workspace, name));
    ANYVISOR_TRY(auto access, find_ssh_access(workspace, record, request.via));
    accesses.emplace(name, std::move(access));
    return {};
  };
  for (const auto& source : request.sources) ANYVISOR_CHECK(reach(source.instance));
  ANYVISOR_CHECK(reach(request.destination.instance));
  const auto local = std::ranges::any_of(request.sources, [](const auto& source) { return source.instance.empty(); });
  if (accesses.empty() || (local && request.destination.instance.empty()))
    return fail(ErrorKind::invalid_argument, "neither end of the copy is in a guest", "name one as NAME:PATH");
  return copy_over_ssh(accesses, request, operation.cancel_fd);
}

}  // namespace anyvisor
