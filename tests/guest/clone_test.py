#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clones of the tiny guest, whose disk holds no operating system: storage, names, refusals, and what is left over."""

import hashlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402


def clone(home, source, *arguments, **options):
    return home.run("clone", source, "--identity", "none", *arguments, **options)


def make_source(home, name="web"):
    home.import_tiny(disk=True)
    home.launch(name)
    home.run("stop", name, "--force")


def disk_of(home, name):
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        return os.path.join(home.path, "disks", json.load(file)["disk"] + ".qcow2")


def content(home, name):
    """The disk as its guest sees it."""
    raw = os.path.join(home.base, "seen.raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk_of(home, name), raw], check=True)
    with open(raw, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write_to(home, name, pattern):
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 64k 4k", disk_of(home, name)], check=True,
                   stdout=subprocess.DEVNULL)


def check_chains(home):
    for file in os.listdir(os.path.join(home.path, "disks")):
        if file.endswith(".qcow2"):
            done = subprocess.run(["qemu-img", "check", "-q", os.path.join(home.path, "disks", file)], check=False)
            check(done.returncode == 0, f"{file} is damaged")


def data_is_shared_and_then_each_ones_own():
    with Home() as home:
        make_source(home)
        write_to(home, "web", 7)
        before = content(home, "web")
        clone(home, "web")
        clone(home, "web")
        check(home.names() == ["web", "web-clone1", "web-clone2"], f"names: {home.names()}")
        for name in home.names():
            check(content(home, name) == before, f"{name} holds something else than its source did")
        write_to(home, "web-clone1", 9)
        check(content(home, "web") == before == content(home, "web-clone2"), "a clone's write is seen by others")
        write_to(home, "web", 11)
        changed = content(home, "web")
        clone(home, "web", "--name", "later")
        check(content(home, "later") == changed and content(home, "web-clone2") == before, "not the source as it was")
        check_chains(home)

        infos = {name: home.info(name) for name in home.names()}
        for name in ("web-clone1", "web-clone2", "later"):
            check(infos[name]["state"] == "Stopped" and infos[name]["cloned_from"] == "web", f"{infos[name]}")
            check(infos[name]["clone_strategy"] == "overlay" and infos[name]["clone_identity"] == "none", f"{infos[name]}")
        check(len({info["id"] for info in infos.values()}) == 4, "an id twice")

        home.run("start", "web", "web-clone1")
        for name in ("web", "web-clone1"):
            counts = processes.until(lambda name=name: len(console.last_run(home.console(name))) > 3, seconds(20))
            check(counts, f"{name} does not count")
        home.run("stop", "--force", "web", "web-clone1")
        # Whatever goes, the others keep what they stand on.
        home.run("delete", "--purge", "web", "web-clone1")
        check(content(home, "web-clone2") == before and content(home, "later") == changed, "data went with the source")
        check_chains(home)
        home.run("delete", "--purge", "web-clone2", "later")
        home.run("image", "remove", "tiny")
        left = os.listdir(os.path.join(home.path, "disks")) + os.listdir(os.path.join(home.path, "staging"))
        check(not left, f"left: {left}")


def source_that_has_not_changed_is_not_frozen_again():
    with Home() as home:
        make_source(home)
        clone(home, "web")
        files = len(os.listdir(os.path.join(home.path, "disks")))
        clone(home, "web")
        check(len(os.listdir(os.path.join(home.path, "disks"))) == files + 2, "more than the clone's own disk was made")


def names_and_refusals():
    with Home() as home:
        make_source(home)
        clone(home, "web", "--count", "2")
        home.run("delete", "--purge", "web-clone1")
        clone(home, "web")  # the gap
        check(home.names() == ["web", "web-clone1", "web-clone2"], f"names: {home.names()}")
        long_name = "x" * 63
        clone(home, "web", "--name", long_name)
        clone(home, long_name)
        check("x" * 56 + "-clone1" in home.names(), f"names: {home.names()}")
        before, names = home.files(), home.names()

        def refused(kind, words, *arguments):
            result = clone(home, *arguments, "--format", "json", ok=False)
            check(result.kind() == kind and all(word in result.err for word in words), f"not {kind}: {result}")

        refused("not_found", ["nobody"], "nobody")
        refused("already_exists", ["web-clone1"], "web", "--name", "web-clone1")
        refused("invalid_argument", ["/name"], "web", "--name", "-bad-")
        refused("invalid_argument", ["/disk"], "web", "--disk", "4k")
        wrong = home.run("clone", "web", "--count", "2", "--name", "two", ok=False)
        check(wrong.code == 1 and "--count" in wrong.err, str(wrong))
        changed = (before ^ home.files()) - {path for path in home.files() if "/logs" in path or "process.json" in path}
        changed = {path for path in changed if not path.endswith((".lock", "/lock", "prepared", "host.lock"))}
        check(not changed and home.names() == names, f"refusals have changed something: {sorted(changed)}")


def machines_of_their_own_size():
    with Home() as home:
        make_source(home)
        made = json.loads(clone(home, "web", "--cpus", "2", "--memory", "128M", "--disk", "3M", "--start", "--format", "json").out)
        check(made["state"] == "Running" and made["cpus"] == 2 and made["memory"] == 128 << 20, f"{made}")
        check(made["disk"] == 3 << 20, f"the disk has {made['disk']} bytes")
        check(made["name"] == "web-clone1" and home.info("web")["cpus"] != 2, f"{made}")
        counts = processes.until(lambda: len(console.last_run(home.console("web-clone1"))) > 3, seconds(20))
        check(counts, "the clone does not count")
        home.run("stop", "web-clone1", "--force")


def eight_at_once():
    with Home() as home:
        make_source(home)
        write_to(home, "web", 5)
        before = content(home, "web")
        children = [home.begin("clone", "web", "--identity", "none") for _ in range(8)]
        for child in children:
            result = home.finish(child)
            check(result.code == 0, str(result))
        check(home.names() == ["web"] + [f"web-clone{number}" for number in range(1, 9)], f"names: {home.names()}")
        for name in home.names():
            check(content(home, name) == before, f"{name} holds something else")
        check_chains(home)
        check(not os.listdir(os.path.join(home.path, "staging")), "something is left in staging")


if __name__ == "__main__":
    suite.main(data_is_shared_and_then_each_ones_own, source_that_has_not_changed_is_not_frozen_again, names_and_refusals,
               machines_of_their_own_size, eight_at_once)
