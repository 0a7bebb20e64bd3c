#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The machines that bench/clone clones: a Debian guest that has been launched and used once, on disks of several sizes.

sources.py FOLDER [--quick]    makes FOLDER/home and FOLDER/sources.json, in minutes and up to 12 GiB; what is there is kept, what is missing is added.
--quick: one size, never booted. $ANYVISOR_DEBIAN_CACHE names the folder with the built Debian image.
"""

import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from harness import suite  # noqa: E402
from shrink import shrink  # noqa: E402

IMAGE = "debian:bookworm"
GIB = 1 << 30
# GiB: the virtual size, and random data that the disk holds beyond the 0.4 of Debian itself.
SIZES = {"v2g-u400m": (2, 0), "v4g-u400m": (4, 0), "v20g-u400m": (20, 0), "v100g-u400m": (100, 0), "v20g-u4g": (20, 3.6),
         "v100g-u4g": (100, 3.6)}
IMAGE_SIZE, QUICK = 4, "v4g-u400m"  # the image's own size, which takes no shrinking
USE = "sudo sh -c 'useradd -m ada; seq 100000 > /home/ada/notes; echo \"@daily ada true\" > /etc/cron.d/ada; sync'"


def run(*arguments):
    subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL)


class Maker:
    def __init__(self, folder):
        self.folder, self.home = folder, os.path.join(folder, "home")
        self.cli = suite.program("ANYVISOR_CLI")

    def anyvisor(self, *arguments):
        run(self.cli, "--home", self.home, *arguments)

    def info(self, *arguments):
        done = subprocess.run([self.cli, "--home", self.home, *arguments, "--format", "json"], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def disk_of(self, name):
        with open(os.path.join(self.info("info", name)["folder"], "instance.json"), encoding="utf-8") as file:
            return os.path.join(self.home, "disks", json.load(file)["disk"] + ".qcow2")

    def flat_disk(self, quick):
        """Debian in one file without a backing file."""
        flat = os.path.join(self.folder, "flat.qcow2")
        if os.path.exists(flat):
            return flat
        self.anyvisor("image", "import", IMAGE, "--name", IMAGE)
        wait = ["--wait", "running"] if quick else []
        self.anyvisor("launch", IMAGE, "--name", "model", "--cpus", "2", "--network", "restricted", *wait)
        if not quick:
            self.anyvisor("exec", "model", "--", "sh", "-c", USE)
        self.anyvisor("stop", "model", *(["--force"] if quick else []))
        run("qemu-img", "convert", "-O", "qcow2", self.disk_of("model"), flat + ".part")
        os.rename(flat + ".part", flat)
        return flat

    def source(self, name, flat):
        """A stopped machine with that disk, prepared; the disk is in one file, in a folder of its own, for the peers."""
        size, more = SIZES[name]
        folder = os.path.join(self.folder, "peers", name)
        disk = os.path.join(folder, "disk.qcow2")
        os.makedirs(folder, exist_ok=True)
        if size < IMAGE_SIZE:
            shrink(flat, disk, size * GIB, self.folder)
        else:
            run("cp", flat, disk)
            run("qemu-img", "resize", "-q", disk, f"{size}G")
        if more:  # past Debian's partitions
            random, piece = os.path.join(self.folder, "random"), GIB
            run("sh", "-c", f"head -c {piece} /dev/urandom > '{random}'")
            for at in range(0, int(more * GIB), piece):  # qemu-io takes less than 2 GiB at once
                size_here = min(piece, int(more * GIB) - at) & ~0xffff
                run("qemu-io", "-f", "qcow2", "-c", f"write -q -s {random} {4 * GIB + at} {size_here}", disk)
            os.remove(random)
        image = self.info("image", "info", IMAGE)
        files = os.path.join(self.home, "images", image["id"])
        self.anyvisor("image", "import", disk, "--name", name, "--cloud-init", "--user", "debian", "--kernel", os.path.join(files, "kernel"),
                      "--initrd", os.path.join(files, "initrd"), "--cmdline", image["command_line"])
        self.anyvisor("launch", name, "--name", name, "--network", "restricted", "--wait", "running")
        self.anyvisor("stop", name, "--force")
        self.anyvisor("prepare", name)
        info = self.info("info", name)
        run("cp", os.path.join(info["folder"], "seed.iso"), os.path.join(info["folder"], "instance.json"), folder)
        return {"name": name, "peer": folder}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if not os.environ.get("ANYVISOR_DEBIAN_CACHE"):
        print("skipped: ANYVISOR_DEBIAN_CACHE names no folder with a built Debian image")
        sys.exit(suite.SKIP_CODE)
    folder = os.path.abspath(arguments.folder)
    listing = os.path.join(folder, "sources.json")
    made = {}
    if os.path.exists(listing):
        with open(listing, encoding="utf-8") as file:
            made = {source["name"]: source for source in json.load(file)["sources"]}
    os.makedirs(folder, exist_ok=True)
    maker = Maker(folder)
    for name in [QUICK] if arguments.quick else SIZES:
        if name not in made:
            made[name] = maker.source(name, maker.flat_disk(arguments.quick))
    with open(listing, "w", encoding="utf-8") as file:
        json.dump({"home": maker.home, "sources": [made[name] for name in SIZES if name in made]}, file, indent=2)


if __name__ == "__main__":
    main()
