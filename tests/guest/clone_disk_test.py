#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ways in which a clone gets its disk, each with an identity of its own; chains that get long, and compact."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault import clones  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.file_system import Mounted  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check, seconds  # noqa: E402

LONGEST_CHAIN = 8
MIB = 1 << 20


class PreparedHome(Home):
    """With a stopped source "web"; identity items are written by a stand-in for libguestfs."""

    def __init__(self, folder=None):
        super().__init__()
        if folder:
            self.path = os.path.join(folder, "home")
        clones.use_stand_in(self)
        clones.import_image(self)
        clones.make_source(self)


def layers(home, name):
    """Files of the chain, top first."""
    answer = subprocess.run(["qemu-img", "info", "--backing-chain", "--output", "json", clones.top_of(home, name)], check=True,
                            capture_output=True, text=True)
    return [os.path.basename(layer["filename"]) for layer in json.loads(answer.stdout)]


def document(home, name):
    """What disks/ says of the machine's own disk."""
    with open(os.path.splitext(clones.top_of(home, name))[0] + ".json", encoding="utf-8") as file:
        return json.load(file)


def refused(home, kind, words, *arguments):
    before = home.files()
    result = home.run("clone", "web", *arguments, "--format", "json", ok=False)
    check(result.kind() == kind and all(word in result.err for word in words), f"not {kind}: {result}")
    left = {path for path in home.files() - before if path.startswith(("instances/", "staging/"))}
    check(not left, f"left: {left}")


def check_own_file(home, name, strategy, source, size=None):
    info = home.info(name)
    check(info["clone_strategy"] == strategy, f"{info['clone_strategy']}, not {strategy}")
    if size:
        check(info["disk"] == size, f"{info['disk']} bytes, not {size}")
        tail = clones.bytes_of(home, name)[len(source):]
        check(len(source) + len(tail) == size and not tail.strip(b"\0"), "what was added is not empty")
    elif info["clone_identity"] == "slots":
        clones.check_slots(home, name, source)
    else:
        check(clones.bytes_of(home, name) == source, f"{name} holds something else than its source")
    check(info["disk_layers"] == len(layers(home, name)), f"{info['disk_layers']} layers, and {layers(home, name)}")
    check(info["disk_occupied"] == os.stat(clones.top_of(home, name)).st_blocks * 512, f"{info['disk_occupied']} bytes of its own")


def a_copy_depends_on_nothing():
    with PreparedHome() as home:
        source = clones.bytes_of(home, "web")
        explained = home.run("clone", "web", "--strategy", "copy", "--name", "full", "--explain")
        check("strategy: copy, as it was asked for" in explained.err and "copy" in explained.err, str(explained))
        home.run("clone", "web", "--strategy", "copy", "--name", "plain", "--identity", "none")
        home.run("clone", "web", "--strategy", "copy", "--name", "large", "--identity", "none", "--disk", "8M")
        home.run("clone", "web", "--strategy", "copy", "--name", "kept", "--keep", "hostname")
        auto = home.run("clone", "web", "--name", "usual", "--explain", "--format", "json")
        check("strategy: overlay, as" in json.loads(auto.err.splitlines()[-1])["explain"]["notes"][-1], auto.err)
        ways = {name: home.info(name)["clone_identity"] for name in ("full", "plain", "kept", "usual")}
        check(ways == {"full": "slots", "plain": "none", "kept": "rewrite", "usual": "slots"}, f"{ways}")
        for name in ("full", "plain", "large", "kept"):
            check(len(layers(home, name)) == 1, f"{name} stands on {layers(home, name)[1:]}")
        check_own_file(home, "full", "copy", source)
        check_own_file(home, "plain", "copy", source)
        check_own_file(home, "large", "copy", source, 8 * MIB)
        check_own_file(home, "usual", "overlay", source)
        clones.check_everything(home)
        home.run("delete", "--purge", "web", "usual")
        home.run("image", "remove", clones.IMAGE)
        check_own_file(home, "full", "copy", source)
        disks = [name for name in os.listdir(os.path.join(home.path, "disks")) if not name.endswith(".json")]
        check(len(disks) == 4, f"more than the copies is left: {disks}")
        home.run("start", "full")
        home.run("stop", "full", "--force")


def shared_blocks(path):
    """Bytes of the file that another file has as well, as the file system tells."""
    done = subprocess.run(["filefrag", "-v", path], check=True, capture_output=True, text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    return done.stdout.count("shared")


def check_reflinks(home):
    clones.write_to(home, "web", 3, "512k")
    source = clones.bytes_of(home, "web")
    for name, arguments in (("full", []), ("plain", ["--identity", "none"]), ("large", ["--identity", "none", "--disk", "8M"])):
        home.run("clone", "web", "--strategy", "reflink", "--name", name, *arguments)
        check_own_file(home, name, "reflink", source, 8 * MIB if name == "large" else None)
        check(shared_blocks(clones.top_of(home, name)), f"{name} shares no blocks")
    before = layers(home, "web")
    check(not set(layers(home, "plain")) & set(before[:2]), f"it stands on the source: {layers(home, 'plain')}, {before}")
    clones.write_to(home, "plain", 9)
    check(clones.bytes_of(home, "web") == source, "a write to the clone is seen in its source")
    clones.check_slots(home, "full", source)
    clones.check_everything(home)
    home.run("delete", "--purge", "web")
    clones.check_slots(home, "full", source)
    clones.check_everything(home)


def reflinks_share_blocks():
    reasons = []
    for kind in ("btrfs", "xfs"):
        try:
            with Mounted(kind) as folder, PreparedHome(folder) as home:
                check_reflinks(home)
        except Skip as reason:
            reasons.append(str(reason))
    if len(reasons) == 2:
        raise Skip("; ".join(reasons))
    for reason in reasons:
        print(f"  left out: {reason}")


def reflink_is_refused_where_the_file_system_cannot():
    with Mounted("tmpfs") as folder, PreparedHome(folder) as home:
        refused(home, "unsupported", ["cannot share blocks", "btrfs"], "--strategy", "reflink")
        clones.check_everything(home)


def raw_disks():
    """The source's own disk is a raw file, as under a backend that takes nothing else."""
    with Mounted("btrfs") as folder, PreparedHome(folder) as home:
        source = clones.bytes_of(home, "web")
        own = document(home, "web")
        path = os.path.join(home.path, "disks", own["id"])
        subprocess.run(["qemu-img", "convert", "-O", "raw", path + ".qcow2", path + ".raw"], check=True)
        os.remove(path + ".qcow2")
        del own["backing"]
        with open(path + ".json", "w", encoding="utf-8") as file:
            json.dump({**own, "format": "raw"}, file)
        for strategy in ("copy", "reflink", "overlay"):
            home.run("clone", "web", "--strategy", strategy, "--name", strategy)
            home.run("clone", "web", "--strategy", strategy, "--name", strategy + "-plain", "--identity", "none", "--disk", "4M")
            check_own_file(home, strategy, strategy, source)
            check_own_file(home, strategy + "-plain", strategy, source, 4 * MIB)
            wanted = "qcow2" if strategy == "overlay" else "raw"
            check(document(home, strategy)["format"] == wanted, f"{document(home, strategy)}")
        clones.check_everything(home)
        home.run("start", "copy")
        home.run("stop", "copy", "--force")


def tool_that(home, script):
    """`qemu-img` for the next commands: `script` (sh) when it converts, which may go on with "$TOOL" "$@"."""
    folder = os.path.join(home.base, "tools")
    os.makedirs(folder, exist_ok=True)
    tool = subprocess.run(["which", "qemu-img"], check=True, capture_output=True, text=True).stdout.strip()
    path = os.path.join(folder, "qemu-img")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nTOOL={tool}\nif [ "$1" = convert ]; then\n{script}\nfi\nexec "$TOOL" "$@"\n')
    os.chmod(path, 0o755)
    return {"PATH": folder + ":" + os.environ["PATH"]}


def copies_that_end_early_leave_nothing():
    with PreparedHome() as home:
        home.run("clone", "web", "--name", "first")  # it is prepared now
        home.run("delete", "--purge", "first")
        marker = os.path.join(home.base, "copying")
        tools = tool_that(home, f'for to; do :; done; head -c 200000 /dev/zero >"$to"; touch {marker}; exec sleep 60')
        before = home.files()
        for number in (signal.SIGINT, signal.SIGKILL):
            child = home.begin("clone", "web", "--strategy", "copy", env=tools)
            check(processes.until(lambda: os.path.exists(marker), seconds(20)), "it does not copy")
            check(len(home.files()) > len(before), "the copy is nowhere")
            processes.send(child.pid, number)
            result = home.finish(child)
            check(result.code == (-9 if number == signal.SIGKILL else 130), str(result))
            gone = processes.until(lambda: not any("sleep" in process.arguments() for process in processes.descendants()), seconds(5))
            check(gone, "what copied goes on")
            home.run("delete", "--purge", "nobody", ok=False)  # the next command
            check(home.files() == before, f"left: {home.files() ^ before}")
            os.remove(marker)
        check(home.names() == ["web"], f"{home.names()}")
        clones.check_everything(home)


def full_disk_is_told_before():
    with Mounted("tmpfs") as folder, PreparedHome(folder) as home:
        home.run("launch", clones.IMAGE, "--name", "big", "--memory", "32M", "--network", "none", "--disk", "64M")
        home.run("stop", "big", "--force")
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 12M", clones.top_of(home, "big")], check=True, stdout=subprocess.DEVNULL)
        before = home.files()
        marker = os.path.join(home.base, "converted")
        result = home.run("clone", "big", "--strategy", "copy", "--identity", "none", "--format", "json", ok=False, env=tool_that(home, f"touch {marker}"))
        check(result.kind() == "exhausted" and "MiB" in result.err and not os.path.exists(marker), str(result))
        # Not told beforehand, and full all the same.
        lies = tool_that(home, ":")
        with open(os.path.join(home.base, "tools", "qemu-img"), "a+", encoding="utf-8") as file:
            file.seek(0)
            text = file.read()
            file.truncate(0)
            file.write(text.replace("\nexec ", '\n[ "$1" != measure ] || { echo \'{"required": 1}\'; exit 0; }\nexec '))
        result = home.run("clone", "big", "--strategy", "copy", "--identity", "none", "--format", "json", ok=False, env=lies)
        check(result.kind() == "exhausted" and "full" in result.err, str(result))
        # The source goes on on a new overlay: that is all.
        check(len(home.files() - before) == 2 and home.names() == ["big", "web"], f"left: {home.files() ^ before}")
        clones.check_everything(home)


def progress_tells_rate_and_time_left():
    with PreparedHome() as home:
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 64k 900k", clones.top_of(home, "web")], check=True, stdout=subprocess.DEVNULL)
        tools = tool_that(home, 'printf "    (25.00/100%%)\\r"; sleep 1.5; printf "    (50.00/100%%)\\r"; sleep 1')
        terminal, theirs = pty.openpty()
        child = subprocess.Popen([home.cli, "--home", home.path, "clone", "web", "--identity", "none", "--strategy", "copy"], stdin=theirs,
                                 stdout=theirs, stderr=theirs, env={**home.environment(tools), "TERM": "xterm", "COLUMNS": "120"})
        os.close(theirs)
        seen, end = b"", time.monotonic() + seconds(20)
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
        check(child.wait(seconds(5)) == 0, "it failed")
        os.close(terminal)
        text = seen.decode(errors="replace")
        for words in ("cloning web: copy", " 50%", "/s", " left"):
            check(words in text, f"no {words!r} in {text!r}")


def clones_of_clones_never_fail():
    """Each generation writes something of its own; chains stay short, and every machine keeps what it has."""
    with PreparedHome() as home:
        name, contents, merged = "web", {}, 0
        for number in range(12):
            clones.write_to(home, name, number + 1, f"{number * 64 + 128}k")
            contents[name] = clones.content(home, name)
            result = home.run("clone", name, "--identity", "none" if number % 3 else "full", "--name", f"g{number}", "--explain")
            merged += "merged the disks" in result.err
            check(len(layers(home, name)) <= LONGEST_CHAIN >= len(layers(home, f"g{number}")), f"{number}: {len(layers(home, name))} layers")
            name = f"g{number}"
        check(merged in (2, 3), f"merged {merged} times")
        for each, before in contents.items():
            check(clones.content(home, each) == before, f"{each} has changed")
        clones.check_everything(home)


def compact_changes_no_content():
    with PreparedHome() as home:
        for number in range(4):
            home.run("clone", "web", "--identity", "none")
            clones.write_to(home, "web", number + 20, f"{number * 128 + 300}k")
        # What is removed is to stay removed, and a disk may have been grown on the way.
        subprocess.run(["qemu-io", "-f", "qcow2", "-d", "unmap", "-c", "discard 64k 64k", "-c", "write -z 0 4k", clones.top_of(home, "web")],
                       check=True, stdout=subprocess.DEVNULL)
        before = {name: clones.content(home, name) for name in home.names()}
        chain = layers(home, "web")
        check(len(chain) == 6, f"{chain}")
        answer = home.json("compact", "web")
        check(answer["disk_layers"] == 2 and answer["name"] == "web", f"{answer}")
        check(layers(home, "web")[1] == chain[-1] and len(layers(home, "web")) == 2, f"{layers(home, 'web')} of {chain}")
        check({name: clones.content(home, name) for name in home.names()} == before, "a content has changed")
        clones.check_everything(home)
        check(not os.path.exists(os.path.join(home.path, "disks", chain[0])), "the old top is still there")
        check("stands on one other" in home.run("compact", "web", "web-clone1").out, "what compact says")
        home.run("delete", "--purge", *(name for name in home.names() if name != "web"))
        clones.check_everything(home)
        check(clones.content(home, "web") == before["web"] and len(os.listdir(os.path.join(home.path, "disks"))) == 4, "after the others have gone")
        home.run("start", "web")
        result = home.run("compact", "web", "--format", "json", ok=False)
        check(result.kind() == "invalid_state" and "anyvisor stop web" in result.err, str(result))
        home.run("stop", "web", "--force")


if __name__ == "__main__":
    suite.main(a_copy_depends_on_nothing, reflinks_share_blocks, reflink_is_refused_where_the_file_system_cannot, raw_disks,
               copies_that_end_early_leave_nothing, full_disk_is_told_before, progress_tells_rate_and_time_left,
               clones_of_clones_never_fail, compact_changes_no_content)
