#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Power loss at each durable step of standby and restore. The home folder stands on a file system of its own, and what that has
written to its device by then is what a disk would hold: nothing that was left in the host's memory. A copy of it is looked
at as after the next boot: no process is there, and the machine is in Standby, with a state from which the guest goes on at the
next number, or it is Stopped."""

import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, points, processes, suite  # noqa: E402
from harness.file_system import Mounted, mount_image  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

NAME = "guest"
# What the device must hold behind these: from there on the other state.
TURNS = {"standby": ("standby.publish:after", "Stopped", "Standby"), "restore": ("restore.consume:after", "Standby", "Stopped")}


class OtherHome(Home):
    """The home folder of a copied file system. At its end its own processes have gone; those of the first one stay."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.others = {process.pid for process in processes.descendants()}

    def _own(self):
        return [process for process in processes.descendants() if process.pid not in self.others and process.state != "Z"]

    def __exit__(self, error=None, *_):
        gone = processes.until(lambda: not self._own(), 0 if error else seconds(10))
        for process in self._own():
            processes.send(process.pid, signal.SIGKILL)
        shutil.rmtree(self.base, ignore_errors=True)
        check(error or gone, "processes are left")


def count(home):
    return len(console.last_run(home.console(NAME)))


def recorded_steps(home, operation):
    """The ends of the durable steps that it goes through."""
    log = os.path.join(home.base, "points-" + operation)
    home.run(operation, NAME, env={"ANYVISOR_POINTS_LOG": log})
    found = points.points_of(points.read_passings(log))
    os.remove(log)
    return [point for point in found if point.program == "anyvisor" and point.point.endswith(":after")]


def take_from(device, copy):
    subprocess.run(["cp", "--sparse=always", device, copy], check=True)


def check_after_boot(copy, expected, stood_at, where):
    """What the next boot finds. `expected`: the states that it may be in; `stood_at`: the last number that the guest has printed."""
    with mount_image(copy) as folder, OtherHome(os.path.join(folder, "home")) as home:
        info = home.info(NAME)
        check(info and info["state"] in expected, f"{where}: after a power loss it is {info and info['state']}, not {expected}: {info}")
        before = home.console(NAME)
        if info["state"] == "Standby":
            home.run("restore", NAME)
            check(processes.until(lambda: len(home.console(NAME)[len(before):].split("\n")) > 4, seconds(20)), f"{where}: it stands still")
            # The first line may have begun before the loss.
            first = int(home.console(NAME)[len(before):].split("\n")[1], 16)
            check(stood_at < first <= stood_at + 3, f"{where}: it stood at {stood_at} and goes on at {first}")
        else:
            home.run("start", NAME)
            check(processes.until(lambda: home.console(NAME)[len(before):].count("00000001\n") == 1, seconds(20)), f"{where}: it does not start")
        info = home.info(NAME)
        check(info["state"] == "Running" and not info["has_saved_memory"] and not info["intent"], f"{where}: {info}")
        home.run("stop", NAME, "--force")


def lose_power_in(home, device, operation, steps):
    turn, before, behind = TURNS[operation]
    turned, seen = False, []
    for point in steps:
        stop = points.Stop(point, os.path.join(home.base, "stopped"))
        if operation == "restore":
            stood_at = count(home)
        command = home.begin(operation, NAME, env=stop.env())
        stopped = stop.caught(command)
        copy = os.path.join(home.base, "after-power-loss")
        take_from(device, copy)
        points.resume(stopped)
        result = home.finish(command)
        check(result.code == 0, str(result))
        if operation == "standby":
            stood_at = count(home)
        turned = turned or point.point == turn
        check_after_boot(copy, [behind if turned else before], stood_at, f"{operation}, {point}")
        seen.append(behind if turned else before)
        home.run("restore" if operation == "standby" else "standby", NAME)
    check(turned and seen.count(before) and seen.count(behind), f"{operation}: {turn} was not among {list(map(str, steps))}")
    print(f"  {operation}: {len(steps)} power losses: {seen.count(before)} times {before}, {seen.count(behind)} times {behind} after the next boot")


def writes_until_the_end(home, device):
    """A guest that writes to its disk until it is stopped: times and content of the disk are what the manifest tells."""
    raw = shutil.copy(suite.program("ANYVISOR_DISK_GUEST"), os.path.join(home.base, "disk.raw"))
    os.truncate(raw, 1 << 20)
    home.run("image", "import", raw, "--name", "counting", "--firmware", "bios")
    home.launch("writer", image="counting")

    def goes_on(at):
        dots = at.console("writer").count(".")
        return processes.until(lambda: at.console("writer").count(".") > dots + 3, seconds(20))

    check(goes_on(home), "the guest does not write")
    home.run("standby", "writer")
    copy = os.path.join(home.base, "after-power-loss")
    take_from(device, copy)
    with mount_image(copy) as folder, OtherHome(os.path.join(folder, "home")) as other:
        before = len(other.console("writer"))  # what of the log has come to the disk
        other.run("restore", "writer")
        check(goes_on(other) and "disk" not in other.console("writer")[before:], f"it does not go on: {other.console('writer')[-200:]!r}")
        other.run("stop", "writer", "--force")
    home.run("delete", "--purge", "--force", "writer")
    print("  a guest that writes until it is stopped goes on after the power loss")


def power_loss():
    with Mounted("ext4") as folder:
        device = os.path.join(os.path.dirname(folder), "image")
        with Home() as home:
            home.path = os.path.join(folder, "home")
            home.import_tiny(disk=True)
            home.launch(NAME)
            check(processes.until(lambda: count(home) > 3, seconds(20)), "the guest does not count")
            home.run("standby", NAME)  # the first one makes folders
            home.run("restore", NAME)
            for operation in TURNS:
                steps = recorded_steps(home, operation)
                if operation == "standby":
                    home.run("restore", NAME)
                else:
                    home.run("standby", NAME)
                lose_power_in(home, device, operation, steps)
                if operation == "standby":
                    home.run("standby", NAME)
            home.run("delete", "--purge", NAME, "--force")
            writes_until_the_end(home, device)
            home.check_no_process_left()


if __name__ == "__main__":
    suite.main(power_loss)
