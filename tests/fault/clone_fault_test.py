#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clones that are disturbed elsewhere than at a durable step: the identity worker is killed, the command is killed or cancelled while
it works, the disk is full, the source starts, changes or goes meanwhile, many clone at once. libguestfs is stood in for."""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault import clones  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check, seconds  # noqa: E402

SOURCE = clones.SOURCE
STRESS_SECONDS = 6


def make_home(home):
    clones.use_stand_in(home)
    clones.import_image(home)
    clones.make_source(home)
    return clones.bytes_of(home, SOURCE)


class Held:
    """A clone whose identity worker stands still half-way, until go_on()."""

    def __init__(self, home, *arguments):
        self.home, self.file = home, os.path.join(home.base, "held")
        self.child = home.begin("clone", SOURCE, *arguments, env={"ANYVISOR_STAND_IN_HOLD": self.file})
        there = processes.until(lambda: os.path.exists(self.file) or self.child.ended(), seconds(30))
        check(there and not self.child.ended(), "the identity worker was not started")

    def worker(self):
        return [process for process in clones.workers() if process.parent == self.child.pid]

    def go_on(self):
        """Lets it do the rest; the result."""
        def let_go():
            if os.path.exists(self.file):
                os.remove(self.file)
            return self.child.ended()

        processes.until(let_go, seconds(30))
        return self.home.finish(self.child)


def check_as_before(home, before, names=(SOURCE,)):
    """As if the clone had never been asked for."""
    check(clones.bytes_of(home, SOURCE) == before, "the source's disk has changed")
    home.run("clone", SOURCE, "--identity", "none", "--name", "collects")
    home.run("delete", "--purge", "collects")
    clones.check_everything(home)
    check(home.names() == sorted(names), f"names: {home.names()}")
    check(clones.bytes_of(home, SOURCE) == before, "the source's disk has changed")


def worker_is_killed():
    with Home() as home:
        before = make_home(home)
        for arguments in ((), ("--keep", "hostname")):
            held = Held(home, *arguments)
            for process in held.worker():
                processes.send(process.pid, signal.SIGKILL)
            result = home.finish(held.child)
            os.remove(held.file)
            check(result.code not in (0, None) and "identity worker" in result.err, str(result))
            check_as_before(home, before)
        home.run("clone", SOURCE, "--name", "after")
        clones.check_slots(home, "after", before)


def command_is_killed_or_cancelled_while_the_worker_works():
    """Nobody is left, and when it is Ctrl-C it says so."""
    with Home() as home:
        before = make_home(home)
        for number in (signal.SIGKILL, signal.SIGINT):
            held = Held(home)
            processes.send(held.child.pid, number)
            result = home.finish(held.child)
            gone = processes.until(lambda: not clones.workers(), seconds(3))
            check(gone, f"the worker goes on: {list(map(str, clones.workers()))}")
            os.remove(held.file)
            if number == signal.SIGINT:
                check(result.code == 130 and "cancelled" in result.err, str(result))
            check_as_before(home, before)


def waiting_for_another_clone_can_be_cancelled():
    with Home() as home:
        before = make_home(home)
        held = Held(home, "--name", "first")
        second = home.begin("clone", SOURCE, "--name", "second")
        time.sleep(0.3)
        check(not second.ended(), "the second clone did not wait for what the first prepares")
        processes.send(second.pid, signal.SIGINT)
        check(second.wait(seconds(5)) == 130, "Ctrl-C did not end a clone that waits")
        home.finish(second)
        check(held.go_on().code == 0, "the first clone failed")
        check_as_before(home, before, (SOURCE, "first"))


def source_starts_changes_and_goes_meanwhile():
    """The clone is of what the source was when it was asked for."""
    with Home() as home:
        before = make_home(home)
        held = Held(home, "--name", "a")
        home.run("start", SOURCE)
        check(home.info(SOURCE)["state"] == "Running", "not Running")
        home.run("stop", SOURCE, "--force")
        clones.write_to(home, SOURCE, 9)
        after = clones.bytes_of(home, SOURCE)
        check(held.go_on().code == 0, "the clone failed")
        clones.check_slots(home, "a", before)
        check(clones.bytes_of(home, SOURCE) == after, "what the source wrote meanwhile is lost")
        held = Held(home, "--name", "b", "--rerun-user-data")
        home.run("delete", "--purge", SOURCE)
        check(held.go_on().code == 0, "the clone failed")
        clones.check_slots(home, "b", after)
        folder = home.folder(home.info("b"))
        check({"kernel", "seed.json", "user-data", "known_hosts"} <= set(os.listdir(folder)), f"files: {os.listdir(folder)}")
        home.run("start", "b")
        home.run("stop", "b", "--force")
        home.run("delete", "--purge", "a", "b")
        clones.check_everything(home)


def destination_is_being_made():
    """Its name and MACs are taken from when they are chosen, and nobody waits for the list of names meanwhile."""
    with Home() as home:
        before = make_home(home)
        home.run("prepare", SOURCE)
        held = Held(home, "--name", "a", "--keep", "hostname")
        result = home.run("clone", SOURCE, "--name", "a", "--format", "json", ok=False)
        check(result.kind() == "already_exists" and "is being made" in result.err and "/name" in result.err, str(result))
        begin = time.monotonic()
        home.run("clone", SOURCE, "--name", "b")
        check(time.monotonic() - begin < seconds(5), "a clone waited for another one's worker")
        held_unnamed = Held(home, "--keep", "hostname")
        home.run("clone", SOURCE)
        check(held_unnamed.go_on().code == 0 and held.go_on().code == 0, "the held clones failed")
        check(home.names() == ["a", "b", SOURCE, "web-clone1", "web-clone2"], f"names: {home.names()}")
        clones.check_everything(home)
        check_as_before(home, before, home.names())


def eight_at_once_with_identities():
    with Home() as home:
        before = make_home(home)
        children = [home.begin("clone", SOURCE) for _ in range(8)]
        for child in children:
            result = home.finish(child)
            check(result.code == 0, str(result))
        names = [f"{SOURCE}-clone{number}" for number in range(1, 9)]
        check(home.names() == [SOURCE, *names], f"names: {home.names()}")
        for name in names:
            clones.check_slots(home, name, before)
        check_as_before(home, before, (SOURCE, *names))


def disk_is_full():
    """A home folder on a file system of its own, with less and less room: each try leaves nothing, and the last succeeds."""
    if os.environ.get("ANYVISOR_TEST_PRIVATE_MOUNTS") != "1":
        probe = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False, capture_output=True)
        if probe.returncode != 0:
            raise Skip(f"no private mounts here: {probe.stderr.decode().strip()}")
        script = [sys.executable, "-B", os.path.abspath(__file__), "disk_is_full"]
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", *script], check=False,
                              env={**os.environ, "ANYVISOR_TEST_PRIVATE_MOUNTS": "1"})
        check(done.returncode == 0, "failed, see above")
        return
    with Home() as home:
        os.makedirs(home.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", home.path], check=True)
        before = make_home(home)
        failed = 0
        for room in (*range(4, 200, 28), *range(200, 1600, 280)):
            state = os.statvfs(home.path)
            with open(os.path.join(home.path, "filler"), "wb") as file:
                file.write(b"x" * (state.f_bavail * state.f_frsize - (room << 10)))
            result = home.run("clone", SOURCE, "--name", "full", "--format", "json", ok=False)
            os.remove(os.path.join(home.path, "filler"))
            if result.code != 0:
                failed += 1
                check(result.kind() == "exhausted" or "No space left" in result.err or "identity worker" in result.err, str(result))
                check(home.names() == [SOURCE], f"names: {home.names()}")
                check_as_before(home, before)
            else:
                clones.check_slots(home, "full", before)
                home.run("delete", "--purge", "full")
                clones.check_everything(home)
        print(f"  {failed} clones found no room")
        check(failed >= 5, "the disk was never full")
        processes.kill_all()
        subprocess.run(["umount", home.path], check=False)


# One process of the stress: clones, deletes, prepares, changes of its own source, and so collections, until told to end.
STRESS = """
import os, random, subprocess, sys, time
cli, home, me, end = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
chance = random.Random(me)
def run(*arguments):
    done = subprocess.run([cli, "--home", home, *arguments], capture_output=True, text=True)
    if done.returncode != 0 and "is in use by another process" not in done.stderr:
        sys.exit(f"{me}: {arguments}: {done.returncode} {done.stderr}")
    return done.returncode == 0
mine, count = [], 0
while time.time() < end:
    name, source = f"m{me}-{count}", chance.choice(mine + ["web", "web"])
    count += 1
    if run("clone", source, "--name", name, *(["--identity", "none"] if chance.random() < 0.5 else [])):
        mine.append(name)
    while len(mine) > chance.randrange(1, 5):
        run("delete", "--purge", mine.pop(chance.randrange(len(mine))))
print(count, *mine)
"""


def collections_run_against_clones():
    """Many processes clone, clone clones, and delete, for some seconds: nothing in use is ever removed."""
    with Home() as home:
        before = make_home(home)
        home.run("prepare", SOURCE)
        end = time.time() + STRESS_SECONDS
        outputs = [open(os.path.join(home.base, f"stress-{number}"), "w+", encoding="utf-8") for number in range(6)]
        children = [processes.start([sys.executable, "-B", "-c", STRESS, home.cli, home.path, str(number), str(end)],
                                    env=home.environment(), stdout=file.fileno(), stderr=file.fileno())
                    for number, file in enumerate(outputs)]
        kept, made = {SOURCE}, 0
        for child, file in zip(children, outputs):
            code = child.wait(seconds(STRESS_SECONDS + 60))
            file.seek(0)
            said = file.read()
            file.close()
            check(code == 0, f"{code}: {said}")
            count, *names = said.split()
            made += int(count)
            kept.update(names)
        check(set(home.names()) == kept, f"names: {home.names()}, expected {sorted(kept)}")
        for name in kept:
            own = clones.bytes_of(home, name)
            check(len(own) == len(before) and own[0x10000:0x11000] == before[0x10000:0x11000], f"{name} has lost its content")
        check(clones.bytes_of(home, SOURCE) == before, "the source's disk has changed")
        check_as_before(home, before, sorted(kept))
        print(f"  {made} clones, {len(kept) - 1} kept")
        check(made > 20, "hardly any clone was made")


if __name__ == "__main__":
    tests = (worker_is_killed, command_is_killed_or_cancelled_while_the_worker_works, waiting_for_another_clone_can_be_cancelled,
             source_starts_changes_and_goes_meanwhile, destination_is_being_made, eight_at_once_with_identities, disk_is_full,
             collections_run_against_clones)
    suite.main(*(test for test in tests if test.__name__ in (sys.argv[1:] or [test.__name__])))
