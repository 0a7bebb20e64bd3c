# SPDX-License-Identifier: MIT
"""A real guest is cloned while it runs, with its file systems frozen through its agent, and is thawed whatever happens."""

import json
import os
import shutil
import signal
import socket
import subprocess

from harness import locks, processes
from harness.suite import check, seconds

COPY = "deb-live"


def tool(name):
    """Of e2fsprogs and util-linux; a plain user's PATH has not all of them."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or name


def flat_copy(home, name):
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        top = os.path.join(home.path, "disks", json.load(file)["disk"] + ".qcow2")
    raw = os.path.join(home.base, name + ".raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", top, raw], check=True)
    return raw


def root_partition(raw):
    """Where in the disk the root file system begins, in bytes; 0 when the disk is one file system."""
    found = subprocess.run([tool("sfdisk"), "--json", raw], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return 0
    table = json.loads(found.stdout)["partitiontable"]
    return max(table["partitions"], key=lambda part: part["size"])["start"] * table.get("sectorsize", 512)


def writes_still(guest):
    guest.says("echo written >after && sync")


def cloned_with_its_file_systems_frozen(home, guest):
    guest.says("echo in the page cache only >unsynced")
    cloned = home.run("clone", guest.name, "--name", COPY, "--identity", "none", "--explain", "--format", "json", limit=120)
    writes_still(guest)
    info = home.info(COPY)
    check(info["clone_consistency"] == "file-systems-frozen" and not info["clone_consistency_reason"], f"{info}, {cloned}")
    for phase in ("guest freeze", "disk switch", "guest thaw"):
        check(phase in cloned.err, f"no phase {phase!r}: {cloned.err}")
    print("  " + "; ".join(" ".join(line.split()) for line in cloned.err.splitlines() if "guest" in line or "switch" in line))
    raw = flat_copy(home, COPY)
    at = f"{raw}?offset={root_partition(raw)}"
    header = subprocess.run([tool("dumpe2fs"), "-h", at], capture_output=True, text=True, check=True).stdout
    check("needs_recovery" not in header, f"the clone's file system has a journal to replay:\n{header}")
    text = subprocess.run([tool("debugfs"), "-R", f"cat /home/{info['user']}/unsynced", at], capture_output=True, text=True, check=False)
    check(text.stdout == "in the page cache only\n", f"what the guest had not written out is not in the clone: {text}")
    os.remove(raw)
    home.run("delete", "--purge", COPY)


def thawed_by_the_next_plugin_host(home, guest):
    """As it is when a plugin-host is killed in the middle of a freeze."""
    folder = home.folder(home.info(guest.name))
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(os.path.join(folder, "agent.sock"))
        agent.settimeout(seconds(20))
        agent.sendall(b'{"execute":"guest-fsfreeze-freeze"}\n')
        answer = b""
        while b"\n" not in answer:
            answer += agent.recv(4096)
        check(json.loads(answer.rpartition(b"\xff")[2]).get("return", 0) > 0, f"not frozen: {answer}")
    with open(os.path.join(folder, "guest-frozen"), "w", encoding="ascii"):
        pass
    host, = locks.holders(os.path.join(folder, "host.lock"), processes.plugin_hosts())
    processes.send(host.pid, signal.SIGKILL)
    check(processes.until(lambda: not processes.is_alive(host.pid), 5), "the plugin-host survives SIGKILL")
    home.list()
    check(not os.path.exists(os.path.join(folder, "guest-frozen")), "nobody has thawed it")
    writes_still(guest)


ALL = (cloned_with_its_file_systems_frozen, thawed_by_the_next_plugin_host)
