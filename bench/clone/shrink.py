# SPDX-License-Identifier: MIT
"""The same Debian on a smaller disk: its partitions as they are, but for the root file system, which is made smaller."""

import json
import os
import subprocess

from identity.disks import MEBIBYTE, SECTOR, copy_data, empty


def run(*arguments, ok=(0,), **options):
    done = subprocess.run(arguments, check=False, **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options)
    if done.returncode not in ok:
        raise subprocess.CalledProcessError(done.returncode, arguments)
    return done.stdout


def shrink(source, target, size, folder):
    """qcow2 to qcow2; the last of the partitions is the root. `folder`: for what is in between, as large as the disks' content."""
    whole, root, small = (os.path.join(folder, name) for name in ("whole.raw", "root.raw", "small.raw"))
    run("qemu-img", "convert", "-O", "raw", source, whole)
    table = json.loads(run("sfdisk", "--json", whole, capture_output=True))["partitiontable"]
    partitions = sorted(table["partitions"], key=lambda partition: partition["start"])
    last = partitions[-1]
    begin, before = last["start"] * SECTOR, last["size"] * SECTOR
    last["size"] = (size - MEBIBYTE) // SECTOR - last["start"]  # room for the second table
    copy_data(whole, empty(root, before), begin, 0, before)
    run("e2fsck", "-fy", root, ok=(0, 1), stdout=subprocess.DEVNULL)
    run("resize2fs", root, f"{last['size']}s", stdout=subprocess.DEVNULL)
    os.truncate(root, last["size"] * SECTOR)
    lines = [f"label: {table['label']}", f"label-id: {table['id']}"]
    for partition in partitions:
        names = {name: partition[name] for name in ("start", "size", "type", "uuid", "name") if name in partition}
        lines.append(", ".join(f'{name}="{value}"' if name == "name" else f"{name}={value}" for name, value in names.items()))
    run("sfdisk", "-q", empty(small, size), input="\n".join(lines).encode())
    for partition in partitions[:-1]:
        copy_data(whole, small, *2 * [partition["start"] * SECTOR], partition["size"] * SECTOR)
    copy_data(root, small, 0, begin)
    run("qemu-img", "convert", "-O", "qcow2", small, target)
    for path in (whole, root, small):
        os.remove(path)
