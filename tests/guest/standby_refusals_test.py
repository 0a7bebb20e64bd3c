#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every way in which a saved state can be wrong: refused with its reason before a VMM starts, and left as it is.

QEMU itself takes most of them and reports a running guest.
"""

import hashlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402


class Sleeper:
    """One in standby, another beside it, and how it was."""

    def __init__(self, home):
        self.home = home
        home.import_tiny(disk=True)
        for name in ("guest", "other"):
            home.launch(name)
            self.wait_for_more(name)
            home.run("standby", name)
        self.folder, self.other = (home.folder(home.info(name)) for name in ("guest", "other"))
        self.backup = os.path.join(home.base, "backup")
        shutil.copytree(self.folder, self.backup)

    def wait_for_more(self, name="guest"):
        before = console.check_no_hole(self.home.console(name))
        grown = processes.until(lambda: console.check_no_hole(self.home.console(name)) > before + 2, seconds(20))
        check(grown, f"{name} stands still at {before}")

    def path(self, name):
        return os.path.join(self.folder, "saved", name)

    def content(self):
        """Of all files but those that any command writes."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and "/logs/" not in path:
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, self.folder)] = hashlib.sha256(file.read()).hexdigest()
        return found

    def put_back(self):
        for name in ("saved", "instance.json"):
            path, kept = os.path.join(self.folder, name), os.path.join(self.backup, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
                shutil.copytree(kept, path)
            else:
                shutil.copy2(kept, path)

    def edit(self, name, change):
        """Of a document in its folder."""
        path = os.path.join(self.folder, name)
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        change(document)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)


def memory_missing(sleeper):
    os.remove(sleeper.path("memory"))


def memory_of_the_wrong_size(sleeper):
    os.truncate(sleeper.path("memory"), os.path.getsize(sleeper.path("memory")) - 4096)


def state_missing(sleeper):
    os.remove(sleeper.path("device-state"))


def state_empty(sleeper):
    os.truncate(sleeper.path("device-state"), 0)


def state_truncated(sleeper):
    os.truncate(sleeper.path("device-state"), os.path.getsize(sleeper.path("device-state")) // 2)


def state_with_one_byte_flipped(sleeper):
    with open(sleeper.path("device-state"), "r+b") as file:
        file.seek(os.path.getsize(sleeper.path("device-state")) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def other_hardware(sleeper):
    def change(document):
        document["cpus"] = 2
    sleeper.edit("instance.json", change)


def other_cpu_model(sleeper):
    """As it is on another host: what was saved is whole, and the backend has no such processor here."""
    def change(document):
        document["hardware"]["cpu_model"] = "another"
    sleeper.edit("instance.json", change)
    sleeper.edit("saved/manifest.json", change)


def other_accelerator(sleeper):
    def change(document):
        document["hardware"]["accelerator"] = "another"
    sleeper.edit("instance.json", change)
    sleeper.edit("saved/manifest.json", change)


def memory_of_another(sleeper):
    shutil.copy(os.path.join(sleeper.other, "saved", "memory"), sleeper.path("memory"))


def state_of_another(sleeper):
    shutil.copy(os.path.join(sleeper.other, "saved", "device-state"), sleeper.path("device-state"))


def everything_of_another(sleeper):
    shutil.rmtree(sleeper.path(""))
    shutil.copytree(os.path.join(sleeper.other, "saved"), sleeper.path(""))


def disk_written_to(sleeper):
    with open(sleeper.path("manifest.json"), encoding="utf-8") as file:
        disk = os.path.join(sleeper.home.path, "disks", json.load(file)["disk"]["file"])
    status = os.stat(disk)
    os.utime(disk, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    return lambda: os.utime(disk, ns=(status.st_atime_ns, status.st_mtime_ns))


def manifest_damaged(sleeper):
    os.truncate(sleeper.path("manifest.json"), 100)


TABLE = (
    (memory_missing, "corrupted", "saved memory is missing"),
    (memory_of_the_wrong_size, "corrupted", "saved memory has the wrong size"),
    (state_missing, "corrupted", "device state is missing"),
    (state_empty, "corrupted", "device state is empty"),
    (state_truncated, "corrupted", "device state has the wrong size"),
    (state_with_one_byte_flipped, "corrupted", "another digest"),
    (other_hardware, "invalid_state", "other hardware: cpus was 1 and is 2"),
    (other_cpu_model, "invalid_state", "other hardware: cpu_model was"),
    (other_accelerator, "invalid_state", "other hardware: accelerator was"),
    (memory_of_another, "corrupted", "belongs to another machine"),
    (state_of_another, "corrupted", "device state"),
    (everything_of_another, "invalid_state", "belongs to another instance"),
    (disk_written_to, "invalid_state", "was written to since"),
    (manifest_damaged, "corrupted", "manifest.json"),
)


def refuse(sleeper, kind, reason):
    before = sleeper.content()
    result = sleeper.home.run("restore", "guest", "--format", "json", ok=False)
    check(result.kind() == kind and reason in result.err, f"not refused as {kind}, {reason!r}: {result}")
    hint = json.loads(result.err)["error"]["hint"]
    check("anyvisor start --discard-memory guest" in hint, f"what to do next: {hint!r}")
    check(not processes.vmms(), "a VMM was started")
    after = sleeper.content()
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    check(not changed, f"refused, and changed: {changed}")
    info = sleeper.home.info("guest")
    check(info["state"] == "Standby" and not info["intent"] and info["vmm_pid"] == 0, f"refused, and now: {info}")
    return json.loads(result.err)["error"]["message"]


def every_case():
    with Home() as home:
        sleeper = Sleeper(home)
        for case, kind, reason in TABLE:
            mend = case(sleeper)
            print(f"  {case.__name__}: {refuse(sleeper, kind, reason)}")
            if mend:
                mend()
            sleeper.put_back()
        # After all of that it is as good as before.
        home.run("restore", "guest")
        sleeper.wait_for_more()
        # A state is used once, also when somebody has kept a copy.
        processes.send(home.info("guest")["vmm_pid"], 9)
        check(processes.until(lambda: home.info("guest")["state"] == "Stopped", seconds(5)), "it survives")
        shutil.rmtree(sleeper.path(""))
        shutil.copytree(os.path.join(sleeper.backup, "saved"), sleeper.path(""))
        print(f"  state_already_used: {refuse(sleeper, 'invalid_state', 'restored already')}")
        home.run("start", "--discard-memory", "guest")
        check(processes.until(lambda: home.console("guest").count("00000001\n") == 2, seconds(20)), "not started afresh")
        home.run("restore", "other")
        sleeper.wait_for_more("other")
        home.run("delete", "--purge", "--force", "guest", "other")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(every_case)
