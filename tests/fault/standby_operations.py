# SPDX-License-Identifier: MIT
"""standby and restore for the sweep (sweep.py): whoever is killed, the counter goes on, or the machine is Stopped and says why;
there is never both a guest that runs and a state that can be restored."""

import os
import threading

from fault import invariants
from fault.operations import IMAGE, NAME, Operation, check_gone
from harness import console, points, processes
from harness.suite import check, seconds

LAUNCH = ["launch", IMAGE, "--name", NAME, "--memory", "32M", "--network", "restricted", "--publish", "0:80"]


def numbers(home):
    return console.last_run(home.console(NAME))


def wait_for_count(home, more=2):
    before = len(numbers(home))
    check(processes.until(lambda: len(numbers(home)) > before + more, seconds(20)), f"the guest stands still at {before}")


def starts(home):
    return home.console(NAME).count("00000001\n")


def manifest_of(home):
    return os.path.join(home.folder(home.info(NAME)), "saved", "manifest.json")


def check_not_both(home):
    """A manifest, and a guest that runs on: the counter of one that stands still does not move."""
    info, manifest = home.info(NAME), manifest_of(home)
    if not os.path.exists(manifest) or not processes.vmms():
        return
    seen = home.console(NAME)
    check(not processes.until(lambda: home.console(NAME) != seen, 0.1), f"it runs, and can be restored: {info}")
    check(os.path.exists(manifest), "its manifest went while nobody worked on it")


class ArmedGoOn:
    """A plugin-host that the killed command has started in place of a killed one is armed as that was, and outlives the command:
    here it goes on wherever it stops."""

    def __enter__(self):
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _loop(self):
        while not self._end.wait(0.02):
            for process in processes.plugin_hosts():
                if process.state == "T":
                    points.resume(process.pid)


class Sleeping(Operation):
    def prepare_home(self, home):
        home.import_tiny(IMAGE, disk=True)
        home.run(*LAUNCH)
        wait_for_count(home)
        home.run("standby", NAME)
        home.run("restore", NAME)
        home.run("delete", "--purge", NAME, "--force")

    def prepare(self, home, run):
        run(*LAUNCH)
        wait_for_count(home)
        home.said = home.console(NAME)

    def settle(self, home):
        with ArmedGoOn():
            self.settle_unarmed(home)

    def settle_unarmed(self, home):
        invariants.check_listed_vmms(home)
        invariants.check_no_lock_stuck(home)
        check_not_both(home)
        self.check_seen(home)
        self.repeat(home)
        invariants.check_listed_vmms(home)
        invariants.check_nothing_half_there(home)
        self.check_folder(home)
        home.run("delete", "--purge", NAME, "--force", ok=False)
        check_gone(home)
        home.check_no_process_left()

    def check_seen(self, home):
        """What is there at once is one of the states that docs/standby.md allows."""
        info = home.info(NAME)
        check(info["state"] in ("Running", "Paused", "Standby", "Stopped"), f"{info}")
        check(info["state"] != "Stopped" or info["state_reason"], f"Stopped, and says nothing: {info}")

    def check_folder(self, home):
        """Nothing half there in saved/."""
        folder = os.path.join(home.folder(home.info(NAME)), "saved")
        left = set(os.listdir(folder)) if os.path.exists(folder) else set()
        check(left <= {"memory", "consumed.json"}, f"left in saved/: {left}")

    def repeat(self, home):
        """The next command finishes or undoes; then it sleeps and goes on once more."""
        home.run("pause", "nobody", ok=False)  # every changing command does that first, and this one does no more
        info = home.info(NAME)
        check(info["state"] in ("Running", "Standby", "Stopped") and not info["intent"], f"neither finished nor undone: {info}")
        # One that was not durable leaves a manifest of what is lost, until it starts.
        check(info["state"] != "Running" or not os.path.exists(manifest_of(home)), f"its manifest is left: {info}")
        result = home.run("standby", NAME, "--format", "json", ok=False)
        info = home.info(NAME)
        if result.code == 0:
            check(info["state"] == "Standby" and not info["intent"], f"after standby: {info}")
            home.run("restore", NAME)
            check(starts(home) == 1, f"it has started afresh: {home.console(NAME)[-200:]!r}")
        else:
            # Its VMM was the victim, or what kept its memory.
            check(result.kind() == "invalid_state" and info["state"] == "Stopped", f"{result}\n{info}")
            check(info["state_reason"] and not info["has_saved_memory"], f"Stopped, and does not say why: {info}")
            home.run("start", NAME)
            check(processes.until(lambda: starts(home) == 2, seconds(20)), "it did not start afresh")
        info = home.info(NAME)
        check(info["state"] == "Running" and not info["intent"], f"not Running: {info}")
        wait_for_count(home)
        console.check_no_hole(home.console(NAME))

class Standby(Sleeping):
    command = "standby"
    arguments = ["standby", NAME]


class OnlyItsOwn:
    """Where a state that is not durable goes another way; the rest is as in the sweep of the durable one."""

    steps = ("machine.save", "standby.publish", "machine.terminate", "machine.restore", "restore.consume", "machine.resume")

    def covers(self, point):
        return any(step in str(point) for step in self.steps)


class StandbyNotDurable(OnlyItsOwn, Sleeping):
    command = "standby-not-durable"
    arguments = ["standby", NAME, "--no-durable"]


class Restore(Sleeping):
    command = "restore"
    arguments = ["restore", NAME]

    def prepare(self, home, run):
        super().prepare(home, run)
        run("standby", NAME)


class RestoreNotDurable(OnlyItsOwn, Sleeping):
    command = "restore-not-durable"
    arguments = ["restore", NAME]

    def prepare(self, home, run):
        super().prepare(home, run)
        run("standby", NAME, "--no-durable")


OPERATIONS = {operation.command: operation for operation in (Standby, StandbyNotDurable, Restore, RestoreNotDurable)}
