# SPDX-License-Identifier: MIT
"""What a guest writes is there later, in the file where it belongs and in no other."""

import hashlib
import pathlib
import shutil
import struct
import time

import qcow2
from guests import DISK_SIZE, SECTOR
from machines import Machine
from outcome import Declined, check


class DiskMachine(Machine):
    """Boots the counting disk by its boot sector. `overlays`: how many qcow2 files lie over it, named relatively."""

    def __init__(self, subject, overlays=0, read_only=False):
        boot = {"method": "firmware", "firmware": "bios"}
        super().__init__(subject, boot=boot)
        disks = self.folder / "disks"
        disks.mkdir()
        self.chain = [{"path": str(shutil.copy(subject.guests / "disk.img", disks / "base.img")), "format": "raw"}]
        for number in range(overlays):
            self.chain.insert(0, self.overlay(f"overlay{number}.qcow2"))
        self.document["disks"] = [{"id": "root", **self.chain[0], "read_only": read_only, "chain": self.chain}]
        report = subject.report_for(self.document)
        subject.need("firmware", report)
        subject.need("console", report)
        for link in self.chain:
            if link["format"] not in report["disk_formats"]:
                raise Declined(f"disk format {link['format']} is not among {report['disk_formats']}")

    def overlay(self, name):
        path = pathlib.Path(self.chain[0]["path"]).with_name(name)
        qcow2.make_overlay(path, DISK_SIZE, pathlib.Path(self.chain[0]["path"]).name, self.chain[0]["format"])
        return {"path": str(path), "format": "qcow2"}

    def written(self, link=None):
        """The number that the guest has written last, in this file itself; None where it holds none."""
        link = link or self.chain[0]
        if link["format"] == "raw":
            data = pathlib.Path(link["path"]).read_bytes()[SECTOR:SECTOR + 4]
        else:
            data = qcow2.read(link["path"], SECTOR, 4)
        return None if data is None else struct.unpack("<I", data)[0]

    def wait_for_writes(self, more=5):
        self.wait_for_text(b".", self.console().count(b".") + more)


def digest(link):
    return hashlib.sha256(pathlib.Path(link["path"]).read_bytes()).hexdigest()


def disk_writes_persist(subject):
    """Through an end by force and through one that is asked for."""
    with DiskMachine(subject) as machine:
        before = 0
        for force in (True, False):
            machine.start()
            machine.wait_for_writes()
            dots = machine.console().count(b".")
            machine.terminate(force)
            now = machine.written()
            check(now >= before + 5, f"the guest wrote {dots} times, and the disk holds {now} after {before}")
            before = now


def chain_with_relative_names(subject):
    with DiskMachine(subject, overlays=2) as machine:
        below = [digest(link) for link in machine.chain[1:]]
        machine.start()
        machine.wait_for_writes()
        machine.terminate(force=False)
        check((machine.written() or 0) >= 5, f"the top of the chain holds {machine.written()}")
        check([digest(link) for link in machine.chain[1:]] == below, "a file below the top of the chain was written to")


def read_only_disk(subject):
    with DiskMachine(subject, read_only=True) as machine:
        before = digest(machine.chain[0])
        machine.start()
        machine.wait_for_text(b"!")
        machine.terminate()
        check(digest(machine.chain[0]) == before, "a read-only disk was written to")


def live_disk_snapshot(subject):
    """From the call on the guest writes to the new overlay, and does not notice."""
    with DiskMachine(subject, overlays=1) as machine:
        subject.need("snapshot_disk")
        machine.start()
        machine.wait_for_writes()
        frozen, top = machine.chain[0], machine.overlay("snapshot.qcow2")
        reply = machine.call("machine.snapshot_disk", disk="root", overlay=top, freeze=True)
        at_snapshot = digest(frozen)
        check(reply.get("switched") is True, f"the answer to a snapshot: {reply}")
        check(reply.get("frozen") is False and reply.get("frozen_reason"), f"no file system could be frozen: {reply}")
        machine.wait_for_writes(10)
        time.sleep(0.2)
        check(digest(frozen) == at_snapshot, "the frozen file was written to after the snapshot")
        check(b"!" not in machine.console(), "the guest could not write")
        machine.expect("running")
        again = machine.call("machine.snapshot_disk", disk="root", overlay=top)
        check(again.get("switched") is False, f"it was on that overlay already: {again}")
        machine.terminate(force=False)
        kept, now = machine.written(frozen), machine.written(top)
        check(kept and now and now >= kept + 5, f"the frozen file holds {kept}, the new overlay {now}")
        machine.chain.insert(0, top)
        machine.document["disks"][0].update(top, chain=machine.chain)
        machine.call("machine.attach", **machine.attachment())
        machine.start()
        machine.wait_for_writes()
        machine.terminate(force=False)
        check(machine.written(top) > now, "the next start does not go on from the new overlay")


def disk_snapshot_of_a_paused_guest(subject):
    """It goes on afterwards where it stood, on the new overlay."""
    with DiskMachine(subject, overlays=1) as machine:
        for capability in ("snapshot_disk", "pause"):
            subject.need(capability)
        machine.start()
        machine.wait_for_writes()
        machine.call("machine.pause")
        frozen, top = machine.chain[0], machine.overlay("paused.qcow2")
        reply = machine.call("machine.snapshot_disk", disk="root", overlay=top)
        check(reply.get("state") == "paused" and reply.get("switched") is True, f"the answer to a snapshot: {reply}")
        at_snapshot = digest(frozen)
        machine.call("machine.resume")
        machine.wait_for_writes()
        check(digest(frozen) == at_snapshot, "the frozen file was written to after the snapshot")
        machine.terminate(force=False)
        check(machine.written(top) > machine.written(frozen), "the new overlay holds no newer number")


STEPS = [disk_writes_persist, chain_with_relative_names, read_only_disk, live_disk_snapshot,
         disk_snapshot_of_a_paused_guest]
