#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks that went wrong where the rules were missing: each is declined or refused, with its reason. Asked of the
identity worker itself, two at a time; the disks have no guest."""

import os
import struct
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.suite import Skip, check  # noqa: E402
from identity import disks, layout, worker  # noqa: E402
from identity.filesystems import Ext4  # noqa: E402


def swap_partition_with_a_sleeping_system(folder):
    swap = disks.write_swap(os.path.join(folder, "swap"), asleep=True)
    return layout.Layout(os.path.join(folder, "made"), [layout.Volume("/", Ext4())], extra=[swap],
                         fstab="UUID=none none swap sw 0 0\n").path, "hibernated"


def swap_file_with_a_sleeping_system(folder):
    def change(root):
        disks.write_swap(os.path.join(root, "swap"), size=disks.MEBIBYTE, asleep=True)
    return layout.Layout(os.path.join(folder, "made"), [layout.Volume("/", Ext4())], fstab="/swap none swap sw 0 0\n",
                         change=change).path, "hibernated"


def encrypted_partition(folder):
    return layout.Layout(os.path.join(folder, "made"), [layout.Volume("/", Ext4())],
                         extra=[disks.write_luks(os.path.join(folder, "luks"))]).path, "encrypted"


def windows(folder):
    disk = disks.empty(os.path.join(folder, "windows"), 64 * disks.MEBIBYTE)
    disks.need("mkfs.vfat", "mmd", "mcopy")
    disks.tool("mkfs.vfat", "-F", "32", disk)
    disks.tool("mmd", "-i", disk, "::Windows", "::Windows/System32", "::Windows/System32/Config", "::Windows/System32/Drivers")
    hive, program = os.path.join(folder, "hive"), os.path.join(folder, "program")
    with open(hive, "wb") as file:
        file.write(b"regf" + bytes(4092))
    with open(program, "wb") as file:  # for x86-64, by its header
        file.write(b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + struct.pack("<4sHHIIIHHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x22, 0x20b))
        file.write(bytes(4096))
    for name, content in (("cmd.exe", program), ("Config/SOFTWARE", hive), ("Config/SYSTEM", hive)):
        disks.tool("mcopy", "-i", disk, content, "::Windows/System32/" + name)
    return disk, "operating system"


def missing_var(folder):
    return layout.Layout(os.path.join(folder, "made"), [layout.Volume("/", Ext4())],
                         fstab="UUID=aaaaaaaa-1111-2222-3333-444444444444 /var ext4 defaults 0 2\n").path, "/var"


def sectors_of_4096(folder):
    made = layout.Layout(os.path.join(folder, "made"), [layout.Volume("/", Ext4("-b", "4096"))],
                         extra=[disks.empty(os.path.join(folder, "second"), 2 * disks.MEBIBYTE)], sector=4096)
    return made.path, None


def each_bad_disk_has_its_reason():
    """A reason of None: the disk is taken."""
    cases = [swap_partition_with_a_sleeping_system, swap_file_with_a_sleeping_system, encrypted_partition, windows, missing_var,
             sectors_of_4096]
    failures, skips, lock = [], [], threading.Lock()

    def work():
        while True:
            with lock:
                if not cases:
                    return
                case = cases.pop(0)
            try:
                with tempfile.TemporaryDirectory(prefix="anyvisor-test-") as folder:
                    disk, reason = case(folder)
                    reply = worker.ask(folder, disk)
                error = reply.get("error")
                if reason is None:
                    check(not error and {"machine-id", "ssh-host-keys"} <= {action["unit"] for action in reply["actions"]}, f"{reply}")
                else:
                    check(error and error["kind"] == "unsupported" and reason in error["message"], f"{reply}")
                print(f"  {case.__name__}: {error['message'] if error else 'taken'}", flush=True)
            except Skip as skip:
                skips.append(skip)
            except BaseException as failure:  # pylint: disable=broad-except
                failures.append(f"{case.__name__}: {failure!r}")

    workers = [threading.Thread(target=work) for _ in range(2)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    check(not failures, "\n".join(failures))
    if skips:
        raise skips[0]


if __name__ == "__main__":
    suite.main(each_bad_disk_has_its_reason)
