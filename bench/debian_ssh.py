#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Launch of a Debian guest to the first command over ssh, beside plain QEMU booting the same disk with the same devices, in
interleaved pairs; then what share of a launch each of its phases takes.

The image is there already, and the accelerator's answer is cached. $ANYVISOR_DEBIAN_CACHE names the folder with the built image.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time

from plain_qemu import PlainQemu
from rows import print_row, repetitions
from harness import suite
from harness.home import Home

IMAGE = "debian:bookworm"
TARGET = 1.2
LARGEST_SHARE = 0.10
LAUNCH = ["--memory", "1G", "--cpus", "2", "--network", "restricted"]


def wait_for_command(home, alias, known_hosts, port, limit=300):
    """Until `true` has run in the guest, by the ssh of this machine with strict host keys; the time then."""
    until = time.monotonic() + limit
    while True:  # the banner first: a whole attempt of ssh's is too dear while nobody listens
        suite.check(time.monotonic() < until, f"no ssh server on port {port} after {limit} s")
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as stream:
                stream.settimeout(1)
                if stream.recv(4) == b"SSH-":
                    break
        except OSError:
            pass
        time.sleep(0.05)
    subprocess.run(["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts}",
                    "-o", f"HostKeyAlias={alias}", "-i", f"{home.path}/ssh/id_ed25519", "-p", str(port), "debian@127.0.0.1", "true"],
                   check=True, stdin=subprocess.DEVNULL, timeout=limit)
    return time.monotonic()


def ssh_port(info):
    return next(port["host_port"] for endpoint in info["endpoints"] for port in endpoint["publish"] if port["guest_port"] == 22)


def known_hosts_of(home, info):
    path = os.path.join(home.folder(info), "known_hosts")
    with open(path, encoding="utf-8") as file:
        return path, file.read().split()[0]


def launch(home, name):
    """Seconds to the first command in the guest, for which launch itself waits, and the phases of the launch."""
    result = home.run("launch", IMAGE, "--name", name, *LAUNCH, "--explain", "--format", "json", env=environment(), limit=300)
    phases = next(json.loads(line)["explain"]["phases"] for line in result.err.splitlines() if '"explain"' in line)
    return result.elapsed, phases


def environment():
    return {"ANYVISOR_DEBIAN_CACHE": os.environ["ANYVISOR_DEBIAN_CACHE"]}


class PlainDebian:
    """Plain QEMU with the devices of the instance `model`, on a new overlay of the same image, with the model's seed."""

    def __init__(self, home, name):
        self.home, info = home, home.info(name)
        folder = os.path.join(home.base, "plain")
        disk = next(path for path in disks_of(home, info))
        with open(os.path.splitext(disk)[0] + ".json", encoding="utf-8") as file:
            description = json.load(file)
        self.size, self.backing = description["virtual_size"], os.path.join(home.path, "disks", description["backing"] + ".qcow2")
        self.disk = os.path.join(folder, "disk.qcow2")
        self.qemu = PlainQemu(info["vmm_pid"], home.folder(info), folder, [(disk, self.disk)])
        known_hosts, self.alias = known_hosts_of(home, info)
        self.known_hosts, self.port = shutil.copy(known_hosts, folder), ssh_port(info)

    def time_to_command(self):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", self.backing, "-F", "qcow2", self.disk, str(self.size)], check=True)
        with self.qemu.running() as begin:
            return wait_for_command(self.home, self.alias, self.known_hosts, self.port) - begin


def disks_of(home, info):
    """Files of the home's disks that the instance's VMM has open for writing."""
    for entry in os.scandir(f"/proc/{info['vmm_pid']}/fdinfo"):
        target = os.readlink(f"/proc/{info['vmm_pid']}/fd/{entry.name}")
        if target.startswith(os.path.realpath(home.path) + "/disks/"):
            with open(entry.path, encoding="utf-8") as file:
                flags = int(file.read().split("flags:")[1].split()[0], 8)
            if flags & os.O_ACCMODE == os.O_RDWR:
                yield target


def print_phases(phases):
    whole = max(phase["start_us"] + phase["duration_us"] for phase in phases)
    for phase in phases:
        share = phase["duration_us"] / whole
        said = "" if phase["name"] == "guest boot" or share <= LARGEST_SHARE else f"  MISSED: more than {LARGEST_SHARE:.0%}"
        print(f"  {phase['name']:<20} {phase['duration_us'] / 1000:10.1f} ms  {share:6.1%}{said}")


def main():
    count = repetitions(5)
    if not os.environ.get("ANYVISOR_DEBIAN_CACHE"):
        print("skipped: ANYVISOR_DEBIAN_CACHE names no folder with a built Debian image")
        sys.exit(suite.SKIP_CODE)
    with Home() as home:
        home.run("image", "import", IMAGE, "--name", IMAGE, env=environment(), limit=300)
        home.run("doctor")  # which has the accelerator probed
        plain, ours, bare, phases = None, [], [], []
        for turn in range(count):
            took, phases = launch(home, f"guest-{turn}")
            ours.append(took)
            plain = plain or PlainDebian(home, f"guest-{turn}")
            home.run("delete", "--purge", f"guest-{turn}", "--force")
            bare.append(plain.time_to_command())
        print_row("Debian: plain QEMU to a command over ssh", bare)
        print_row("Debian: launch to a command over ssh", ours)
        ratio = statistics.median(ours) / statistics.median(bare)
        print(f"Debian: ratio of the medians {ratio:.2f} (target: at most {TARGET}): {'met' if ratio <= TARGET else 'MISSED'}")
        print("phases of the last launch:")
        print_phases(phases)


if __name__ == "__main__":
    main()
