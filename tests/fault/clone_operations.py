# SPDX-License-Identifier: MIT
"""clone, prepare and their kin for the sweep (sweep.py), as operations.py has launch, start, stop and delete."""

import json
import os
import shutil
import subprocess

from fault import clones, invariants
from harness.suite import check

NAME = "guest"  # the clone's


class OnSource:
    """Starts from a stopped source whose disk has changed since it was last cloned."""

    victims = ("anyvisor", "plugin-host")
    needed = ("anyvisor",)

    def covers(self, _point):
        """Whether the sweep kills there."""
        return True

    def prepare_home(self, home):
        clones.use_stand_in(home)
        clones.import_image(home)
        # The caches are full: what is recorded is what every run passes.
        clones.make_source(home, "warm-up")
        home.run("clone", "warm-up")
        home.run("delete", "--purge", "warm-up", "warm-up-clone1")
        clones.make_source(home)
        home.saved = clones.Saved(home)
        home.source_bytes = clones.bytes_of(home, clones.SOURCE)

    def prepare(self, home, _):
        home.saved.restore()
        if not clones.read_folder(os.path.join(home.path, "prepared")):
            shutil.rmtree(os.path.join(home.path, "prepared"), ignore_errors=True)  # made anew: a step more

    def settle(self, home):
        """At once; then the command again; then everything must be in order, and the clone can go."""
        invariants.check_no_lock_stuck(home)
        self.check_source(home)
        self.repeat(home)
        self.check_source(home)
        clones.check_everything(home)
        invariants.check_no_lock_stuck(home)
        home.run("delete", "--purge", NAME, ok=False)
        clones.check_everything(home)
        check(home.names() == [clones.SOURCE], f"names: {home.names()}")
        home.check_no_process_left()

    def check_source(self, home):
        info = home.info(clones.SOURCE)
        check(info and info["state"] == "Stopped" and not info["state_error"] and not info["intent"], f"the source: {info}")
        check(clones.bytes_of(home, clones.SOURCE) == home.source_bytes, "the source's disk has changed")

    def repeat(self, home):
        result = home.run(*self.arguments, "--format", "json", ok=False)
        if result.code != 0:  # the killed one had got so far that it counts as done
            check(result.kind() == "already_exists", str(result))
        info = home.info(NAME)
        check(info and info["state"] == "Stopped" and info["cloned_from"] == clones.SOURCE and not info["state_error"], f"{info}")
        self.check_clone(home)

    def check_clone(self, home):
        clones.check_slots(home, NAME, home.source_bytes)


class CloneNone(OnSource):
    command = "clone-none"
    arguments = ["clone", clones.SOURCE, "--name", NAME, "--identity", "none"]

    def check_clone(self, home):
        check(clones.bytes_of(home, NAME) == home.source_bytes, "the clone holds something else than its source")


class CloneFull(OnSource):
    """The first clone of a changed source: freezes, prepares, and fills the slots."""

    command = "clone-full"
    arguments = ["clone", clones.SOURCE, "--name", NAME]


class CloneAgain(CloneFull):
    """One more clone of what is prepared."""

    command = "clone-again"

    def prepare_home(self, home):
        super().prepare_home(home)
        home.run("prepare", clones.SOURCE)
        home.saved = clones.Saved(home)


class CloneRewrite(CloneAgain):
    """Where slots do not serve: the identity worker writes into the clone's own disk."""

    command = "clone-rewrite"
    arguments = ["clone", clones.SOURCE, "--name", NAME, "--keep", "hostname"]

    def check_clone(self, home):
        check(clones.bytes_of(home, NAME) != home.source_bytes, "the clone holds what its source holds")


class Prepare(OnSource):
    command = "prepare"
    arguments = ["prepare", clones.SOURCE]

    def repeat(self, home):
        home.run(*self.arguments)
        home.run("clone", clones.SOURCE, "--name", NAME)
        clones.check_slots(home, NAME, home.source_bytes)


class Compact(OnSource):
    """Of a source whose disk stands on a chain: two clones were made of it, and it has changed each time."""

    command = "compact"
    arguments = ["compact", clones.SOURCE]

    def prepare_home(self, home):
        super().prepare_home(home)
        for pattern in (7, 8):
            home.run("clone", clones.SOURCE, "--identity", "none", "--name", "gone")
            home.run("delete", "--purge", "gone")
            clones.write_to(home, clones.SOURCE, pattern)
        home.saved = clones.Saved(home)
        home.source_bytes = clones.bytes_of(home, clones.SOURCE)

    def repeat(self, home):
        home.run(*self.arguments)
        chain = subprocess.run(["qemu-img", "info", "--backing-chain", "--output", "json", clones.top_of(home, clones.SOURCE)],
                               check=True, capture_output=True)
        check(len(json.loads(chain.stdout)) == 2, f"the chain is not short: {chain.stdout}")


OPERATIONS = {operation.command: operation for operation in (CloneNone, CloneFull, CloneAgain, CloneRewrite, Prepare, Compact)}
