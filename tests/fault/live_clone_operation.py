# SPDX-License-Identifier: MIT
"""Clone of a source that runs, and counts on its disk (tests/guests/disk.S): whoever is killed, it has all that it wrote."""

import json
import os
import shutil
import struct
import subprocess

from fault.operations import NAME, Operation
from harness import processes, suite
from harness.suite import check, seconds

COPY = "copy"
IMAGE = "counting"
# Only what is not the same for a source that is stopped: the sweep of clone-none has the rest.
STEPS = ("clone.freeze-live", "machine.snapshot_disk", "disk.freeze")


def dots(home):
    """One number more on the disk each, since the last boot."""
    text = home.console(NAME)
    check("!" not in text, f"the guest could not read or write its disk: {text[-200:]!r}")
    return text.rpartition("disk\n")[2].count(".")


def wait_for_dots(home, more=3):
    before = dots(home)
    check(processes.until(lambda: dots(home) >= before + more, seconds(20)), f"the guest stands still at {before}")


def number(home, name):
    """What the disk holds, as its guest sees it."""
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        top = os.path.join(home.path, "disks", json.load(file)["disk"] + ".qcow2")
    flat = os.path.join(home.base, "flat.raw")
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", top, flat], check=True)
    with open(flat, "rb") as file:
        return struct.unpack_from("<I", file.read(), 512)[0]


class CloneLive(Operation):
    command = "clone-live"
    arguments = ["clone", NAME, "--name", COPY, "--identity", "none"]

    def covers(self, point):
        return any(step in str(point) for step in STEPS)

    def prepare_home(self, home):
        raw = shutil.copy(suite.program("ANYVISOR_DISK_GUEST"), os.path.join(home.base, "counting.raw"))
        home.run("image", "import", raw, "--name", IMAGE, "--firmware", "bios")
        home.run("launch", IMAGE, "--name", "warm-up", "--memory", "32M", "--network", "none")
        home.run("delete", "--purge", "warm-up", "--force")

    def prepare(self, home, run):
        run("launch", IMAGE, "--name", NAME, "--memory", "32M", "--network", "none")
        wait_for_dots(home)

    def repeat(self, home):
        pid = home.info(NAME)["vmm_pid"]
        if not pid:  # it was the victim
            home.run("start", NAME)
        wait_for_dots(home)
        if home.info(COPY):
            home.run("delete", "--purge", COPY)
        before = dots(home)
        home.run(*self.arguments)
        held = number(home, COPY)
        check(held >= before, f"the clone holds {held}, and there were {before} dots before")
        wait_for_dots(home)
        check(not pid or home.info(NAME)["vmm_pid"] == pid, "the source was ended and started")
        home.run("stop", NAME, "--timeout", "0")
        count, holds = dots(home), number(home, NAME)
        check(holds in (count, count + 1) if pid else holds >= held, f"the source holds {holds} after {count} dots")
        check(number(home, COPY) == held, "the clone has changed")
        for file in os.listdir(os.path.join(home.path, "disks")):
            if file.endswith(".qcow2"):
                done = subprocess.run(["qemu-img", "check", "-q", os.path.join(home.path, "disks", file)], check=False)
                # 3: clusters that nothing uses, which a QEMU that was killed at a write leaves; no data is wrong.
                check(done.returncode in (0, 3), f"{file} is damaged")
        home.run("delete", "--purge", COPY)


OPERATIONS = {CloneLive.command: CloneLive}
