#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""standby and restore on a full disk: the home folder stands on a small tmpfs, with ever more of it taken.

Whichever write fails, the guest goes on or sleeps with a state that is whole; nothing half-written is left.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, processes, suite  # noqa: E402
from harness.file_system import Mounted  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

KIB = 1024
MEMORY = 8 << 20
# KiB, from no room at all to all that is needed: intent, folder, device state (some 400), memory, manifest.
FREE = (0, 4, 8, 64, 600, 8192, 8192 + 440, 10240)


class Ballast:
    """Takes what is free of a file system, but for so much."""

    def __init__(self, point):
        self.point, self.path = point, os.path.join(point, "ballast")

    def leave(self, free):
        self.drop()
        with open(self.path, "wb") as file:
            status = os.statvfs(self.point)
            wanted = status.f_bavail * status.f_frsize - free
            if wanted > 0:
                os.posix_fallocate(file.fileno(), 0, wanted)

    def drop(self):
        if os.path.exists(self.path):
            os.remove(self.path)


class Guest:
    def __init__(self, home, point):
        self.home, self.ballast, self.starts = home, Ballast(point), 1
        home.import_tiny()
        home.run("launch", "tiny", "--name", "guest", "--memory", str(MEMORY), "--network", "none")
        self.goes_on()

    def count(self):
        text = self.home.console("guest")
        check(text.count("00000001\n") <= self.starts, "it has started afresh")
        return console.check_no_hole(text)

    def goes_on(self):
        before = self.count()
        check(processes.until(lambda: self.count() > before + 2, seconds(20)), f"it stands still at {before}")

    def state(self):
        info = self.home.info("guest")
        check(not info["state_error"], f"{info}")
        return info["state"]

    def left(self):
        folder = os.path.join(self.home.folder(self.home.info("guest")), "saved")
        return set(os.listdir(folder)) if os.path.exists(folder) else set()


def try_standby(guest, free, *options):
    """The kind of its failure, or None."""
    guest.ballast.leave(free)
    result = guest.home.run("standby", "guest", *options, "--format", "json", ok=False)
    if result.code == 0:
        check(guest.state() == "Standby", f"with {free} free: {result}")
        guest.ballast.drop()
        return None
    check(result.kind() == "exhausted", f"with {free} free: {result}")
    state = guest.state()
    check(state in ("Running", "Paused"), f"with {free} free: {state}, {result}")
    guest.ballast.drop()
    guest.home.run("start", "guest")  # finishes or undoes what could not be done without room
    check(not guest.left() - {"memory", "consumed.json"}, f"left: {guest.left()}")
    guest.goes_on()
    return result.kind()


def full_when_it_goes_to_sleep():
    with Mounted("tmpfs") as point, Home() as home:
        home.path = os.path.join(point, "home")
        guest = Guest(home, point)
        try:
            for options in ((), ("--no-durable",)):
                failed = []
                for free in FREE:
                    if try_standby(guest, free * KIB, *options) is None:
                        home.run("restore", "guest")
                        guest.goes_on()
                        # A memfd again: the file that it runs on now has all the room that it needs.
                        home.run("stop", "guest", "--force")
                        home.run("start", "guest")
                        guest.starts += 1
                    else:
                        failed.append(free)
                print(f"  standby {' '.join(options)}: no room with {', '.join(map(str, failed))} KiB free")
                check(failed and 10240 not in failed, f"failed with {failed} KiB free")
        finally:
            processes.kill_all()
            shutil.rmtree(home.path, ignore_errors=True)


def full_when_it_wakes():
    with Mounted("tmpfs") as point, Home() as home:
        home.path = os.path.join(point, "home")
        guest = Guest(home, point)
        try:
            failed = []
            for free in (0, 4, 8, 16):
                home.run("standby", "guest")
                guest.ballast.leave(free * KIB)
                result = home.run("restore", "guest", "--format", "json", ok=False)
                if result.code != 0:
                    failed.append(free)
                    check(guest.state() == "Standby", f"with {free} KiB free: {guest.state()}, {result}")
                    guest.ballast.drop()
                    home.run("restore", "guest")
                guest.ballast.drop()
                guest.goes_on()
            print(f"  restore: no room with {', '.join(map(str, failed))} KiB free")
            check(failed, "it needed no room at all: the test proves nothing")
        finally:
            processes.kill_all()
            shutil.rmtree(home.path, ignore_errors=True)


if __name__ == "__main__":
    suite.main(full_when_it_goes_to_sleep, full_when_it_wakes)
