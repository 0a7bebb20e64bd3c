#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clones of a guest that runs on meanwhile. It counts on its disk (tests/guests/disk.S): each dot on its console is one
number more that it has read, raised and written, so the number on the disk tells which writes are there."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import locks, processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

SECTOR = 512
NO_AGENT = "no guest agent runs in the guest"


def started(home, *arguments):
    raw = shutil.copy(suite.program("ANYVISOR_DISK_GUEST"), os.path.join(home.base, "disk.raw"))
    os.truncate(raw, 1 << 20)
    home.run("image", "import", raw, "--name", "disk", "--firmware", "bios")
    home.launch("web", *arguments, image="disk")
    more_dots(home, "web")


def dots(home, name):
    text = home.console(name)
    check("!" not in text, f"{name} could not read or write its disk: {text[-200:]!r}")
    return text.rpartition("disk\n")[2].count(".")  # since its last boot


def more_dots(home, name, more=5):
    before = dots(home, name)
    check(processes.until(lambda: dots(home, name) >= before + more, seconds(20)), f"{name} stands still at {before}")


def top_of(home, name):
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        return json.load(file)["disk"]


def chain_of(home, name):
    """Documents of its disks, top first."""
    chain, disk = [], top_of(home, name)
    while disk:
        with open(os.path.join(home.path, "disks", disk + ".json"), encoding="utf-8") as file:
            chain.append(json.load(file))
        disk = chain[-1].get("backing")
    return chain


def check_chain(home, name):
    """All but the top are frozen: as their document says and as their mode is."""
    for place, disk in enumerate(chain_of(home, name)):
        mode = os.stat(os.path.join(home.path, "disks", f"{disk['id']}.{disk['format']}")).st_mode & 0o777
        check(disk["frozen"] == (place > 0) and mode == (0o400 if place else 0o600),
              f"{name}, {place} below its top: {disk}, mode {mode:o}")


def check_files(home):
    for file in os.listdir(os.path.join(home.path, "disks")):
        if file.endswith(".qcow2"):
            done = subprocess.run(["qemu-img", "check", "-q", os.path.join(home.path, "disks", file)], check=False)
            check(done.returncode == 0, f"{file} is damaged")


def number_in(home, disk):
    """What a disk of the store holds, with what is below it."""
    flat = os.path.join(home.base, "flat.raw")
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", os.path.join(home.path, "disks", disk + ".qcow2"), flat],
                   check=True)
    with open(flat, "rb") as file:
        return struct.unpack_from("<I", file.read(), SECTOR)[0]


def number(home, name):
    return number_in(home, top_of(home, name))


def clone(home, name, *arguments, **options):
    """Returns the clone, and its number; the source's was between those before and after."""
    before = dots(home, "web")
    info = home.json("clone", "web", "--identity", "none", "--name", name, *arguments, **options)
    return info, before, number(home, name), dots(home, "web")


def stop(home, name):
    """Not at once by SIGKILL: QEMU writes what it holds of the disk's tables."""
    home.run("stop", name, "--timeout", "0")


def counts_on_while_it_is_cloned():
    with Home() as home:
        started(home)
        pid = home.info("web")["vmm_pid"]
        seen = 0
        for name in ("first", "second"):
            info, before, holds, after = clone(home, name)
            check(before <= holds <= after + 1 and holds > seen, f"{name} holds {holds}: {before} before, {after} after")
            check(info["clone_consistency"] == "crash-consistent" and info["clone_consistency_reason"] == NO_AGENT
                  and NO_AGENT in info["warning"] and info["state"] == "Stopped", f"{info}")
            seen = holds
            check(home.info("web")["state"] == "Running" and home.info("web")["vmm_pid"] == pid, "the source is another")
            more_dots(home, "web")
            check(number(home, name) == holds, f"{name} has changed")
        check_chain(home, "web")
        check(len(chain_of(home, "web")) == 4, f"{chain_of(home, 'web')}")
        stop(home, "web")
        count = dots(home, "web")
        check(count <= number(home, "web") <= count + 1, f"web holds {number(home, 'web')} after {count} dots")
        for name, holds in (("first", number(home, "first")), ("second", number(home, "second"))):
            home.run("start", name)
            more_dots(home, name)
            stop(home, name)
            check(number(home, name) >= holds + 5, f"{name} does not count on from {holds}")
        home.run("start", "web")
        more_dots(home, "web")
        stop(home, "web")
        check(number(home, "web") >= count + 5, "the source does not count on")
        check_files(home)
        home.run("delete", "--purge", "web", "first", "second")
        home.run("image", "remove", "disk")
        check(not os.listdir(os.path.join(home.path, "disks")), "disks are left")
        home.check_no_process_left()


def plugin_host_killed_in_between():
    """The next one knows from the VMM what it writes to; also when the home folder has moved meanwhile."""
    with Home() as home:
        started(home)
        clone(home, "first")
        folder = home.folder(home.info("web"))
        host, = locks.holders(os.path.join(folder, "host.lock"), processes.plugin_hosts())
        processes.send(host.pid, signal.SIGKILL)
        check(processes.until(lambda: not processes.is_alive(host.pid), 5), "the plugin-host survives SIGKILL")
        _, before, holds, after = clone(home, "second")
        check(before <= holds <= after + 1, f"the clone holds {holds}: {before} before, {after} after")
        check_chain(home, "web")
        os.rename(home.path, home.path + "-moved")
        home.path += "-moved"
        _, before, holds, after = clone(home, "third")
        check(before <= holds <= after + 1, f"after the move the clone holds {holds}: {before} before, {after} after")
        more_dots(home, "web")
        stop(home, "web")
        count = dots(home, "web")
        check(count <= number(home, "web") <= count + 1, f"web holds {number(home, 'web')} after {count} dots")
        check_files(home)
        home.run("delete", "--purge", "--force", "web", "first", "second", "third")
        home.check_no_process_left()


def paused_source():
    with Home() as home:
        started(home)
        home.run("pause", "web")
        check(home.info("web")["state"] == "Paused", "pause")
        stands = dots(home, "web")
        info, _, holds, after = clone(home, "still")
        check(after == stands <= holds <= stands + 1 and "stood still" in info["clone_consistency_reason"], f"{holds}, {info}")
        check(home.info("web")["state"] == "Paused", "it does not stand still any more")
        home.run("pause", "web")  # already
        home.run("resume", "web")
        more_dots(home, "web")
        stop(home, "web")
        count = dots(home, "web")
        check(count <= number(home, "web") <= count + 1 and number(home, "still") == holds, "data of the source or the clone")
        off = home.run("pause", "web", "--format", "json", ok=False)
        check(off.kind() == "invalid_state" and "anyvisor start web" in off.err, str(off))
        check_files(home)
        home.run("delete", "--purge", "--force", "web", "still")
        home.check_no_process_left()


def several_of_one_moment():
    with Home() as home:
        started(home)
        made = home.json("clone", "web", "--identity", "none", "--count", "10")["instances"]
        holds = {number(home, info["name"]) for info in made}
        check(len(made) == 10 and len(holds) == 1, f"they hold {holds}")
        check(len(chain_of(home, "web")) == 3, f"one moment each: {chain_of(home, 'web')}")
        check(all(info["clone_consistency"] == "crash-consistent" and NO_AGENT in info["warning"] for info in made), f"{made}")
        more_dots(home, "web")
        home.run("delete", "--purge", "--force", *home.names())
        home.check_no_process_left()


def backend_that_cannot():
    """test-backend's report does not name snapshot_disk."""
    plugins = {"ANYVISOR_PLUGIN_PATH": os.path.join(os.path.dirname(suite.program("ANYVISOR_DISK_GUEST")), "..", "test-plugins")}
    with Home() as home:
        home.import_tiny(disk=True)
        home.launch("web", "--backend", "test-backend", env=plugins)
        before = home.files()
        refused = home.run("clone", "web", "--identity", "none", "--format", "json", ok=False, env=plugins)
        check(refused.kind() == "unsupported" and "test-backend" in refused.err and "anyvisor stop web" in refused.err, str(refused))
        left = {path for path in home.files() - before if "/logs" not in path}
        check(not left and home.names() == ["web"], f"a refusal has left {left}")
        home.run("stop", "web", "--force", env=plugins)
        home.run("clone", "web", "--identity", "none", env=plugins)
        home.run("delete", "--purge", "web", "web-clone1", env=plugins)
        home.check_no_process_left()


def vmm_that_does_not_answer():
    with Home() as home:
        started(home)
        pid = home.info("web")["vmm_pid"]
        host, = locks.holders(os.path.join(home.folder(home.info("web")), "host.lock"), processes.plugin_hosts())
        processes.send(pid, signal.SIGSTOP)
        processes.send(host.pid, signal.SIGKILL)
        check(processes.until(lambda: not processes.is_alive(host.pid), 5), "the plugin-host survives SIGKILL")
        refused = home.run("clone", "web", "--identity", "none", "--format", "json", ok=False)
        check(refused.kind() == "invalid_state" and "stop --force web" in refused.err, str(refused))
        check(home.names() == ["web"], f"{home.names()}")
        processes.send(pid, signal.SIGCONT)
        home.run("delete", "--purge", "--force", "web")
        home.check_no_process_left()


def clones_until_the_chain_is_long():
    """The chain under a VMM is not merged; after a stop it is."""
    with Home() as home:
        started(home)
        for place in range(8):
            result = home.run("clone", "web", "--identity", "none", "--format", "json", ok=False)
            if result.code != 0:
                break
        check(result.kind() == "exhausted" and place == 6 and "stop" in result.err, f"clone {place + 1}: {result}")
        more_dots(home, "web")
        stop(home, "web")
        count = dots(home, "web")
        home.run("clone", "web", "--identity", "none", "--name", "last")
        check(count <= number(home, "last") <= count + 1, f"the clone holds {number(home, 'last')}")
        check_files(home)
        home.run("delete", "--purge", "--force", *home.names())
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(counts_on_while_it_is_cloned, plugin_host_killed_in_between, paused_source, several_of_one_moment,
               backend_that_cannot, vmm_that_does_not_answer, clones_until_the_chain_is_long)
