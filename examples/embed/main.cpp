// SPDX-License-Identifier: MIT
// embed [IMAGE]: launches a machine, runs a command in it and deletes it, by the library alone.
#include <unistd.h>

#include <anyvisor/manager.hpp>
#include <iostream>

namespace {

int tell(const anyvisor::Error& error) {
  std::cerr << "error: " << error.message << '\n';
  if (!error.hint.empty()) std::cerr << "hint: " << error.hint << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto manager = anyvisor::Manager::open();
  if (!manager) return tell(manager.error());

  anyvisor::LaunchRequest request;
  request.image = argc > 1 ? argv[1] : "debian:bookworm";
  request.memory = 512ULL << 20;
  // Its ssh server where the guest has a login, else the machine alone.
  request.wait.condition = anyvisor::WaitFor::automatic;
  anyvisor::Operation launching;
  auto machine = manager->launch(request, launching);
  if (!machine) return tell(machine.error());
  std::cout << "launched " << machine->name << " as process " << machine->vmm_pid << std::endl;

  // It outlives this program unless it is deleted, so whatever comes now ends with that.
  int code = 0;
  if (machine->user.empty()) {
    std::cout << "nobody can log in to a guest of " << request.image << ", so nothing is run in it" << std::endl;
  } else {
    anyvisor::ExecRequest command;
    command.command = {"uname", "-a"};
    command.stdout_fd = STDOUT_FILENO;
    command.stderr_fd = STDERR_FILENO;
    anyvisor::Operation running;
    auto ended = manager->exec(machine->id, command, running);
    code = ended ? *ended : tell(ended.error());
  }

  anyvisor::DeleteRequest removal;
  removal.force = removal.purge = true;
  anyvisor::Operation deleting;
  if (auto removed = manager->remove(machine->id, removal, deleting); !removed) return tell(removed.error());
  std::cout << "deleted " << machine->name << std::endl;
  return code;
}
