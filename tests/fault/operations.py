# SPDX-License-Identifier: MIT
"""The operations of the sweep: what they start from, the command, and what must be true once it was repeated.

prepare(run): brings about what the operation starts from, by run(ARGUMENT...).
"""

from harness import processes
from harness.suite import check, seconds

NAME = "guest"
IMAGE = "with-disk"


def launch_arguments(name):
    return ["launch", IMAGE, "--name", name, "--memory", "32M", "--network", "user", "--publish", "0:80"]


def check_running(home):
    info = home.info(NAME)
    check(info and info["state"] == "Running" and processes.is_alive(info["vmm_pid"]), f"not Running: {info}")
    check(not info["state_error"] and not info["intent"], f"Running, and yet: {info}")
    said = len(home.console(NAME))
    check(processes.until(lambda: len(home.console(NAME)) > said, seconds(20)), f"Running, and its console says nothing: {info}")


def check_stopped(home):
    info = home.info(NAME)
    check(info and info["state"] == "Stopped" and info["vmm_pid"] == 0, f"not Stopped: {info}")
    check(not info["state_error"] and not info["intent"], f"Stopped, and yet: {info}")
    check(not processes.vmms(), f"Stopped, and a VMM runs: {list(map(str, processes.vmms()))}")


def check_gone(home):
    check(home.info(NAME) is None and home.list() == [], f"not gone: {home.list()}")
    left = [name for name in home.files() if name.startswith(("instances/", "staging/"))]
    check(not left, f"files are left: {left}")
    check(not processes.vmms(), f"gone, and a VMM runs: {list(map(str, processes.vmms()))}")


class Launch:
    command = "launch"
    arguments = launch_arguments(NAME)

    def prepare(self, run):
        pass

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        if result.code != 0:
            # The killed launch had got so far that it counts as done. Its VMM may have been the victim.
            check(result.kind() == "already_exists", str(result))
            info = home.info(NAME)
            check(info and info["state"] in ("Running", "Stopped"), f"launched, and yet: {info}")
            home.run("start", NAME)
        check_running(home)


class Start:
    command = "start"
    arguments = ["start", NAME]

    def prepare(self, run):
        run(*launch_arguments(NAME))
        run("stop", NAME, "--force")

    def repeat(self, home):
        home.run(*self.arguments)
        check_running(home)


class Stop:
    command = "stop"
    arguments = ["stop", NAME, "--force"]

    def prepare(self, run):
        run(*launch_arguments(NAME))

    def repeat(self, home):
        home.run(*self.arguments)
        check_stopped(home)


class StopGracefully(Stop):
    command = "stop-gracefully"
    arguments = ["stop", NAME, "--timeout", "1"]  # the tiny guest does not listen, so it is ended after that second


class Delete:
    command = "delete"
    arguments = ["delete", NAME, "--force"]

    def prepare(self, run):
        run(*launch_arguments(NAME))

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        check(result.code == 0 or result.kind() == "not_found", str(result))
        check_gone(home)


OPERATIONS = {operation.command: operation for operation in (Launch, Start, Stop, StopGracefully, Delete)}
