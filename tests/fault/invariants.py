# SPDX-License-Identifier: MIT
"""What must hold after any kill, and while it happens."""

import json
import os
import threading

from harness import locks, processes, suite
from harness.home import STATES
from harness.suite import check, seconds


class Observer:
    """`list` and `info` in a loop on another thread: each answers a state or not_found, never anything else."""

    def __init__(self, home, name):
        self.home, self.name = home, name
        self.answers, self.complaints = 0, []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _loop(self):
        while not self.complaints:
            try:
                self._look()
                self.answers += 1
            except Exception as error:  # pylint: disable=broad-except
                self.complaints.append(str(error))
            if self._end.wait(0.02):
                return

    def _look(self):
        self.home.list()
        result = self.home.run("info", self.name, "--format", "json", ok=False)
        if result.code != 0:
            check(result.kind() == "not_found", str(result))
        else:
            check(json.loads(result.out)["state"] in STATES, str(result))

    def check(self):
        check(not self.complaints, "meanwhile: " + "; ".join(self.complaints))
        check(self.answers, "list and info were never asked meanwhile")


def check_listed_vmms(home):
    """Every VMM is the VMM of a listed instance."""
    def unlisted():
        known = {instance["vmm_pid"] for instance in home.list()}
        return [process for process in processes.vmms() if process.pid not in known]

    if unlisted():
        # One that is being ended while we look is no finding; one that stays is.
        processes.until(lambda: not unlisted(), seconds(1))
    left = unlisted()
    if left:
        print_what_is_known(home)
    check(not left, f"VMMs that no list shows: {list(map(str, left))}; listed: {home.list()}")


def print_what_is_known(home):
    """The records and logs of the instances, and who runs: a race is not seen twice."""
    for instance in home.list():
        for name in ("process.json", "logs/anyvisor.log"):
            try:
                with open(os.path.join(instance["folder"], name), encoding="utf-8", errors="replace") as file:
                    print(f"--- {instance['name']}: {name}\n{file.read()[-4000:]}")
            except OSError as error:
                print(f"--- {error}")
    for process in processes.descendants():
        print(f"--- {process}, child of {process.parent}")


def check_nothing_half_there(home):
    """After a changing command: whatever was interrupted has been finished or undone."""
    for entry in os.listdir(os.path.join(home.path, "staging")):
        lock = os.path.join(home.path, "staging", entry, "lock")
        check(os.path.exists(lock) and not locks.is_free(lock), f"unlocked garbage in staging/: {entry}")
    for entry in os.listdir(os.path.join(home.path, "instances")):
        folder = os.path.join(home.path, "instances", entry)
        names = os.listdir(folder)
        check("instance.json" in names and "lock" in names, f"instances/{entry} is incomplete: {names}")
        check("intent.json" not in names, f"instances/{entry} still has its intent")
        with open(os.path.join(folder, "instance.json"), encoding="utf-8") as file:
            json.load(file)
        temporary = [name for name in names if name.endswith((".tmp", ".new")) or name.startswith(".")]
        check(not temporary, f"instances/{entry} has temporary files: {temporary}")
    check_disks(home)


def check_disks(home):
    """Every disk has its description, and every backing file and top disk is there."""
    folder = os.path.join(home.path, "disks")
    names = os.listdir(folder)
    descriptions = {name[:-len(".json")] for name in names if name.endswith(".json")}
    files = {name.rsplit(".", 1)[0] for name in names if not name.endswith(".json")}
    check(descriptions == files, f"disks/ is uneven: {sorted(names)}")
    used = set()
    for entry in os.listdir(os.path.join(home.path, "instances")):
        with open(os.path.join(home.path, "instances", entry, "instance.json"), encoding="utf-8") as file:
            text = file.read()
        own = {name for name in names if not name.endswith(".json") and name.rsplit(".", 1)[0] in text}
        check(own, f"instances/{entry} names no disk of disks/: {sorted(names)}")
        used |= {name.rsplit(".", 1)[0] for name in own}
    for identifier in descriptions:
        with open(os.path.join(folder, identifier + ".json"), encoding="utf-8") as file:
            backing = json.load(file).get("backing")
        if backing:
            check(any(name.rsplit(".", 1)[0] == str(backing).rsplit(".", 1)[0] for name in names),
                  f"disk {identifier} has lost its backing file {backing}")


def check_no_zombie():
    def zombies():
        own = os.getpid()  # what is ours to reap is reaped by the harness
        return [process for process in processes.descendants() if process.state == "Z" and process.parent != own]

    left = not processes.until(lambda: not zombies(), suite.seconds(2)) and zombies()
    check(not left, f"zombies: {list(map(str, left or []))}")


def check_no_lock_stuck(home):
    stuck = home.stuck_locks()
    check(not stuck, f"locks are stuck: {stuck}")
