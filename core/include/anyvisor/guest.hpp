// SPDX-License-Identifier: MIT
// Work inside a guest: commands, files, and waiting until it is ready. All of it goes over ssh, with the key of the
// home folder and the guest's host keys as they were made before its first boot, by way of a published port or of the
// machine's vsock device.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace anyvisor {

// The way to a guest's ssh server.
enum class Via {
  automatic,  // `network` where a published port leads there, else `vsock`
  network,    // a port of this machine that leads to port 22 of the guest
  vsock,      // port 22 of the guest's vsock device: needs no network, and a guest that serves ssh there
};

// A command to be run in a guest. Descriptors stay the caller's.
struct ExecRequest {
  std::vector<std::string> command;  // the program and its arguments, which arrive as they are; empty: a login shell
  std::string folder;                // working folder in the guest; empty: the user's home
  std::vector<std::pair<std::string, std::string>> environment;  // added to what the guest gives every login
  // With a terminal of its own in the guest. stdin_fd should be a terminal then: it is put into raw mode meanwhile.
  bool terminal = false;
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;  // -1: /dev/null
  // Each byte that can be read from it is the number of a signal (SIGINT, SIGTERM, SIGHUP, SIGQUIT, ...) for the
  // command's processes in the guest. What still runs 5 seconds after the first one, or at the second, gets SIGKILL.
  // -1: none.
  int signals_fd = -1;
  Via via = Via::automatic;
};

// One end of a copy: a path in the guest of `instance`, or on this machine when that is empty.
struct CopyPlace {
  std::string instance;
  std::string path;  // taken literally, without wildcards; in a guest, relative to the user's home
};

struct CopyRequest {
  std::vector<CopyPlace> sources;
  CopyPlace destination;   // a folder that is there: the copies go into it
  bool recursive = false;  // folders with all that is in them
  // A terminal on which the progress is shown meanwhile; -1: none.
  int progress_fd = -1;
  Via via = Via::automatic;
};

enum class WaitFor {
  nothing,
  automatic,   // after a launch: `ssh` where the guest has a login that is known to be reached, else `running`
  running,     // the machine runs
  ssh,         // a login over ssh works
  cloud_init,  // cloud-init has finished
  stopped,     // the guest is off
};

struct WaitRequest {
  WaitFor condition = WaitFor::ssh;
  std::chrono::milliseconds limit{600000};  // 0: none
};

struct WaitResult {
  std::string warning;  // what went wrong without spoiling the result: cloud-init's recoverable errors; or empty
};

}  // namespace anyvisor
