# SPDX-License-Identifier: MIT
"""The operations of the sweep: what they start from, the command, and what must be true once it was repeated.

prepare(home, run): brings about what the operation starts from, by run(ARGUMENT...).
"""

import json
import os
import shutil
import subprocess

from fault import invariants
from harness import processes
from harness.suite import check, seconds

NAME = "guest"
IMAGE = "with-disk"
USER_DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "user-data.yaml")  # with it a guest gets a seed


def launch_arguments(name):
    return ["launch", IMAGE, "--name", name, "--memory", "32M", "--network", "user", "--publish", "0:80",
            "--cloud-init", USER_DATA, "--wait", "running"]  # nothing in it answers over ssh


def check_running(home):
    info = home.info(NAME)
    check(info and info["state"] == "Running" and processes.is_alive(info["vmm_pid"]), f"not Running: {info}")
    check(not info["state_error"] and not info["intent"], f"Running, and yet: {info}")
    said = len(home.console(NAME))
    check(processes.until(lambda: len(home.console(NAME)) > said, seconds(20)), f"Running, and its console says nothing: {info}")


def check_identity(home):
    """The seed, what is pinned of it, and the home's key pair are there and whole."""
    folder = home.folder(home.info(NAME))
    key = os.path.join(home.path, "ssh", "id_ed25519")
    for path in (key, key + ".pub", *(os.path.join(folder, name) for name in ("seed.iso", "known_hosts", "user-data"))):
        status = os.stat(path)
        check(status.st_size > 0 and not status.st_mode & 0o077, f"{path}: {status}")
    with open(key + ".pub", "rb") as public, open(os.path.join(folder, "seed.iso"), "rb") as seed:
        check(public.read().strip() in seed.read(), "the seed does not hold the home's key")
    left = [name for name in os.listdir(os.path.join(home.path, "ssh")) if name.endswith(".tmp")]
    check(not left, f"temporary files are left beside the key: {left}")


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


class Operation:
    """Of one machine, NAME, in a home folder that has nothing else."""

    victims = ("anyvisor", "plugin-host", "vmm")
    needed = ("anyvisor", "plugin-host")  # each has to have been there at some point

    def covers(self, _point):
        """Whether the sweep kills there."""
        return True

    def prepare_home(self, home):
        """With the image, and the caches filled: what is recorded is what every run passes."""
        home.import_tiny(IMAGE, disk=True)
        home.run(*launch_arguments("warm-up"))
        home.run("delete", "--purge", "warm-up", "--force")

    def settle(self, home):
        """What must hold at once; then the operation again; then everything must be in order."""
        invariants.check_listed_vmms(home)
        invariants.check_no_lock_stuck(home)
        self.repeat(home)
        invariants.check_listed_vmms(home)
        invariants.check_nothing_half_there(home)
        invariants.check_no_lock_stuck(home)
        invariants.check_no_zombie()
        home.run("delete", "--purge", NAME, "--force", ok=False)
        check_gone(home)
        invariants.check_nothing_half_there(home)
        home.check_no_process_left()


class Launch(Operation):
    command = "launch"
    arguments = launch_arguments(NAME)

    def prepare(self, home, run):
        # The home folder's key pair is made anew each time.
        shutil.rmtree(os.path.join(home.path, "ssh"), ignore_errors=True)

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        if result.code != 0:
            # The killed launch had got so far that it counts as done. Its VMM may have been the victim.
            check(result.kind() == "already_exists", str(result))
            info = home.info(NAME)
            check(info and info["state"] in ("Running", "Stopped"), f"launched, and yet: {info}")
            home.run("start", NAME)
        check_running(home)
        check_identity(home)


class Start(Operation):
    command = "start"
    arguments = ["start", NAME]

    def prepare(self, home, run):
        run(*launch_arguments(NAME))
        run("stop", NAME, "--force")

    def repeat(self, home):
        home.run(*self.arguments)
        check_running(home)


class Stop(Operation):
    command = "stop"
    arguments = ["stop", NAME, "--force"]

    def prepare(self, home, run):
        run(*launch_arguments(NAME))

    def repeat(self, home):
        home.run(*self.arguments)
        check_stopped(home)


class StopGracefully(Stop):
    command = "stop-gracefully"
    arguments = ["stop", NAME, "--timeout", "1"]  # the tiny guest does not listen, so it is ended after that second


class Delete(Operation):
    """Put away: what was deleted can be recovered, wherever the deletion was killed."""

    command = "delete"
    arguments = ["delete", NAME, "--force"]

    def prepare(self, home, run):
        run(*launch_arguments(NAME))

    def repeat(self, home):
        home.run(*self.arguments)
        check_stopped(home)
        check(home.info(NAME)["deleted"], f"not deleted: {home.info(NAME)}")
        home.run("recover", NAME)
        check_stopped(home)
        check(not home.info(NAME)["deleted"], f"not recovered: {home.info(NAME)}")


class DeletePurge(Operation):
    command = "delete-purge"
    arguments = ["delete", NAME, "--force", "--purge"]

    def prepare(self, home, run):
        run(*launch_arguments(NAME))

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        check(result.code == 0 or result.kind() == "not_found", str(result))
        check_gone(home)


class OfDeleted(Operation):
    needed = ("anyvisor",)  # nothing else runs

    def prepare(self, home, run):
        run(*launch_arguments(NAME))
        run("delete", NAME, "--force")


class Recover(OfDeleted):
    command = "recover"
    arguments = ["recover", NAME]

    def repeat(self, home):
        home.run(*self.arguments)
        check_stopped(home)
        check(not home.info(NAME)["deleted"], f"not recovered: {home.info(NAME)}")


class Purge(OfDeleted):
    command = "purge"
    arguments = ["purge", NAME]

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        check(result.code == 0 or result.kind() == "not_found", str(result))
        check_gone(home)


class Rename(Operation):
    command = "rename"
    needed = ("anyvisor",)
    arguments = ["rename", NAME, "other"]

    def prepare(self, home, run):
        run(*launch_arguments(NAME))
        run("stop", NAME, "--force")

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        check(result.code == 0 or result.kind() == "not_found", str(result))  # it was renamed, and then killed
        check(home.names() == ["other"], f"names: {home.names()}")
        home.run("rename", "other", NAME)
        check_stopped(home)


class Set(Rename):
    """Of everything that can be set: the disk in steps of its own."""

    command = "set"
    arguments = ["set", NAME, "cpus=2", "memory=48M", "disk=4M"]

    def repeat(self, home):
        home.run(*self.arguments)
        check_stopped(home)
        info = home.info(NAME)
        check((info["cpus"], info["memory"], info["disk"]) == (2, 48 << 20, 4 << 20), f"not set: {info}")
        check_size_of_disk(home, 4 << 20)
        home.run("start", NAME)
        check_running(home)


def check_size_of_disk(home, size):
    with open(os.path.join(home.folder(home.info(NAME)), "instance.json"), encoding="utf-8") as file:
        disk = json.load(file)["disk"]
    told = subprocess.run(["qemu-img", "info", "-U", "--output", "json", os.path.join(home.path, "disks", disk + ".qcow2")],
                          check=True, capture_output=True)
    check(json.loads(told.stdout)["virtual-size"] == size, f"its file: {told.stdout}")


OPERATIONS = {operation.command: operation
              for operation in (Launch, Start, Stop, StopGracefully, Delete, DeletePurge, Recover, Purge, Rename, Set)}
