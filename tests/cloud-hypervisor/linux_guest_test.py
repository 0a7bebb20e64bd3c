#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stock Linux kernel on a real Cloud Hypervisor: disks, the power button, saved memory (copied and on demand), processors and
disks and memory that come while it runs. For a place where KVM runs such guests (the rig, tests/guests/rig); exit 77, and why, elsewhere.

linux_guest_test.py SUITE BUILD_FOLDER [TEST...]

The kernel and its modules are this machine's (linux-image-cloud-amd64), its one process is tests/guests/linux-init.c.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types

HERE = pathlib.Path(__file__).resolve().parent
SUITE, BUILD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
sys.path[:0] = [str(SUITE), str(HERE.parent)]
import qcow2  # noqa: E402
import steps_life  # noqa: E402
from harness import suite  # noqa: E402
from harness.suite import check  # noqa: E402
from machines import Machine, wait_until  # noqa: E402
from subject import Subject  # noqa: E402

MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "button", "evdev")
DISK_SIZE = 1 << 20
MEMORY = 256 << 20


def binary():
    named = os.environ.get("ANYVISOR_TEST_CLOUD_HYPERVISOR") or shutil.which("cloud-hypervisor")
    if not named:
        raise suite.Skip("no Cloud Hypervisor: ANYVISOR_TEST_CLOUD_HYPERVISOR names one. NOTHING of the real one was tested")
    return os.path.abspath(named)


def kernel():
    """The newest cloud kernel here: its file and the folder of its modules."""
    found = sorted(pathlib.Path("/boot").glob("vmlinuz-*cloud-amd64"))
    if not found or os.environ.get("ANYVISOR_TEST_STOCK_KVM") != "1":
        raise suite.Skip("for a KVM that runs stock kernels: in the rig, with ANYVISOR_TEST_STOCK_KVM=1")
    return found[-1], pathlib.Path("/lib/modules") / found[-1].name.removeprefix("vmlinuz-")


def entry(name, mode, data=b""):
    """One file of a cpio archive (newc)."""
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def initramfs(modules):
    parts = [entry("init", 0o100755, (BUILD / "guests/linux-init").read_bytes()), entry("modules", 0o40755), entry("dev", 0o40755)]
    number = 0
    for name in MODULES:
        for file in modules.rglob(f"{name}.ko"):
            parts.append(entry(f"modules/{number:02d}.ko", 0o100644, file.read_bytes()))
            number += 1
    return b"".join(parts) + entry("TRAILER!!!", 0)


class Linux(Machine):
    """Counts on its console and on its disk, a qcow2 overlay that names a raw file relatively."""

    def __init__(self, subject, **document):
        super().__init__(subject, **document)
        self.document["memory"] = {"size": MEMORY}
        self.document["boot"] = {"method": "kernel", "kernel": subject.kernel, "initrd": subject.initrd,
                                 "command_line": "console=ttyS0 quiet loglevel=0 panic=-1"}
        disks = self.folder / "disks"
        disks.mkdir()
        self.base = disks / "base.img"
        self.base.write_bytes(bytes(DISK_SIZE))
        qcow2.make_overlay(disks / "top.qcow2", DISK_SIZE, "base.img", "raw")
        top = {"path": str(disks / "top.qcow2"), "format": "qcow2"}
        self.document["disks"] = [{"id": "root", **top, "chain": [top, {"path": str(self.base), "format": "raw"}]}]

    def numbers(self):
        return [int(line, 16) for line in re.findall(rb"^([0-9a-f]{8})\r?$", self.console(), re.M)]

    def count(self):
        """How far it has counted since its last start; fails where a number is missing."""
        numbers = self.numbers()
        begin = len(numbers) - 1 - numbers[::-1].index(1) if 1 in numbers else 0
        run = numbers[begin:]
        check(run == list(range(1, len(run) + 1)), f"the console has a hole in {run[-12:]}")
        return len(run)

    def said(self, pattern):
        return re.findall(pattern, self.console(), re.M)

    def wait_for(self, pattern, seconds=20):
        found = wait_until(lambda: self.said(pattern), self.subject.seconds(seconds))
        check(found, f"the guest does not say {pattern}; it says {self.console()[:200]!r} ... {self.console()[-50:]!r}")
        return found[-1]

    def up(self):
        self.start()
        self.wait_for_count(3, 60)
        check(b"cannot be" not in self.console(), f"the guest says {self.console()[:200]!r}")
        return self


class Ground:
    """What all tests stand on. `settings`: the plugin's, besides the binary."""

    def __init__(self, **settings):
        program = binary()
        print(subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split("\n")[0])
        vmlinuz, modules = kernel()
        self.folder = tempfile.TemporaryDirectory(prefix="anyvisor-linux-", dir="/var/tmp")
        options = types.SimpleNamespace(
            time_factor=suite.TIME_FACTOR, settings={"binary": program, **settings}, guest=None,
            plugin=BUILD / "stage/lib/anyvisor/plugins/anyvisor-cloud-hypervisor.so",
            plugin_host=BUILD / "stage/libexec/anyvisor/plugin-host")
        self.subject = Subject(options, self.folder.name)
        self.subject.kernel = str(vmlinuz)
        self.subject.initrd = self.folder.name + "/initrd"
        pathlib.Path(self.subject.initrd).write_bytes(initramfs(modules))
        for step in (steps_life.load_and_negotiation, steps_life.capability_report):
            step(self.subject)

    def __enter__(self):
        return self.subject

    def __exit__(self, *_):
        self.folder.cleanup()


def disks_and_the_power_button():
    """What it writes stands in the overlay and in nothing below; pressed, it powers off, and finds its number when it comes again."""
    with Ground() as subject, Linux(subject) as machine:
        below = hashlib.sha256(machine.base.read_bytes()).digest()
        machine.up()
        check(machine.wait_for(rb"^disk (\d+)") == b"0", "a new disk is not empty")
        machine.call("machine.shutdown", method="acpi")
        seen = machine.call("machine.wait", deadline=30, states=["shutdown", "stopped"])
        check(seen.get("reason"), f"it powered off, and is told: {seen}")
        written = machine.count()
        check(machine.said(rb"^button"), "it did not hear of the button")
        if seen["state"] == "stopped":
            machine.create()
        machine.boot()
        wait_until(lambda: len(machine.said(rb"^disk (\d+)")) == 2, subject.seconds(60))
        check(machine.said(rb"^disk (\d+)")[-1:] == [b"%d" % written], f"it wrote {written}, and finds {machine.said(rb'^disk .*')}")
        machine.terminate(force=False)
        check(hashlib.sha256(machine.base.read_bytes()).digest() == below, "the file below the overlay was written to")
        check(b"!" not in machine.console(), "a write failed")


def saved_and_restored(mode):
    with Ground(memory_restore=mode) as subject, Linux(subject) as machine:
        machine.up()
        saved = machine.folder / "saved"
        saved.mkdir()
        for turn in range(2):
            place = {"folder": str(saved), "label": f"{mode} {turn}"}
            machine.call("machine.pause")
            machine.save(deadline=60, **place)
            counted = machine.count()
            machine.terminate()
            machine.restore(deadline=60, **place)
            machine.call("machine.resume")
            machine.wait_for_count(counted + 5, 60)
        check(len(machine.said(rb"^disk ")) == 1 and b"!" not in machine.console(), "it has begun anew, or could not write")


def saved_memory_is_copied():
    saved_and_restored("copy")


def saved_memory_comes_on_demand():
    saved_and_restored("on-demand")


def a_processor_comes():
    with Ground() as subject, Linux(subject, max_cpus=2) as machine:
        machine.up()
        check(machine.said(rb"^cpus (\d+)") == [b"1"], "it does not begin with one")
        machine.call("machine.resize", cpus=2)
        machine.wait_for(rb"^cpus (2)")
        machine.wait_for_count(machine.count() + 3)


def memory_comes():
    with Ground() as subject, Linux(subject) as machine:
        machine.document["memory"]["hotplug_size"] = 512 << 20
        machine.document["boot"]["command_line"] += " memhp_default_state=online"
        machine.up()
        before = int(machine.wait_for(rb"^memory (\d+)"))
        error = machine.refusal("machine.resize", memory=MEMORY + (64 << 20))
        check(error["kind"] == "invalid_argument", f"half a step: {error}")
        machine.call("machine.resize", memory=MEMORY + (256 << 20))
        found = wait_until(lambda: int(machine.said(rb"^memory (\d+)")[-1]) >= before + 200, subject.seconds(60))
        check(found, f"256 MiB came, and it had {before} and has {machine.said(rb'^memory .*')} MiB")
        machine.wait_for_count(machine.count() + 3)


def a_disk_comes_and_goes():
    with Ground(sandbox=False) as subject, Linux(subject) as machine:
        machine.up()
        file = machine.folder / "hot.img"
        file.write_bytes(bytes(DISK_SIZE))
        machine.call("machine.attach_device", device={"kind": "disk", "id": "hot", "path": str(file), "format": "raw"})
        machine.wait_for(rb"^(plugged)")
        machine.call("machine.detach_device", id="hot")
        machine.wait_for(rb"^(unplugged)")
        machine.wait_for_count(machine.count() + 3)


TESTS = (disks_and_the_power_button, saved_memory_is_copied, saved_memory_comes_on_demand, a_processor_comes, memory_comes,
         a_disk_comes_and_goes)

if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    suite.main(*[test for test in TESTS if len(sys.argv) < 4 or test.__name__ in sys.argv[3:]])
