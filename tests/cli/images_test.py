#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images by the built command: import, list, info, remove, refusals, Ctrl-C, a terminal. No VMM runs. Argument: the folder of the docs."""

import os
import pty
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402


def make_disk(home, size, name="disk.raw"):
    path = os.path.join(home.base, name)
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def import_list_info_remove():
    with Home() as home:
        disk = make_disk(home, 1 << 20)
        kernel = os.path.join(home.base, "vmlinuz")
        with open(kernel, "wb") as file:
            file.write(b"kernel")
        home.run("image", "import", disk, "--kernel", kernel, "--cmdline", "root={hostname}")
        before = {**home.json("image", "info", "disk")}
        check(before["name"] == "disk" and before["format"] == "raw" and before["virtual_size"] == 1 << 20, f"{before}")
        check(before["has_kernel"] and not before["has_initrd"] and before["command_line"] == "root={hostname}", f"{before}")
        check(before["source"] == disk and re.fullmatch(r"sha256:[0-9a-f]{64}", before["digest"]), f"{before}")
        check(home.json("image", "list") == {"images": [before]}, "list and info differ")
        table = home.run("image", "list").out.splitlines()
        check(len(table) == 2 and table[1].startswith("disk ") and "1.0 MiB" in table[1], f"{table}")
        check(before["digest"] in home.run("image", "info", "disk").out, "info tells no digest")
        twice = home.run("image", "import", disk, ok=False)
        check(twice.code == 4 and '"disk"' in twice.err, str(twice))
        home.run("image", "import", disk, "--name", "other", "--digest", before["digest"])
        wrong = home.run("image", "import", disk, "--name", "wrong", "--digest", "sha256:" + "0" * 64, ok=False)
        check(wrong.code == 15 and before["digest"] in wrong.err, str(wrong))
        check(home.json("image", "remove", "disk", "other") == {"removed": ["disk", "other"]}, "remove")
        check(home.json("image", "list") == {"images": []}, "something is left")
        check(not os.listdir(os.path.join(home.path, "disks")), "a disk is left")


def relative_paths():
    with Home() as home:
        make_disk(home, 512, "here.raw")
        child = processes.start([home.cli, "--home", home.path, "image", "import", "here.raw", "--quiet"],
                                env=home.environment(), cwd=home.base)
        check(child.wait(seconds(20)) == 0, "a relative path was not found")
        check(home.json("image", "info", "here")["source"] == os.path.join(home.base, "here.raw"), "source is not absolute")


def refusals():
    with Home() as home:
        odd = make_disk(home, 1000, "odd.raw")
        empty = make_disk(home, 0, "empty")
        for path, code, message in ((home.base + "/none", 3, "does not exist"), (home.base, 6, "is a folder"),
                                    (empty, 6, "is empty"), (odd, 15, "no multiple of 512"), ("debian:99", 8, "debian:99")):
            result = home.run("image", "import", path, ok=False)
            check(result.code == code and message in result.err and len(result.err.splitlines()) <= 3, str(result))
        check(home.json("image", "list") == {"images": []}, "a refused image is there")


def interrupted():
    with Home() as home:
        disk = make_disk(home, 64 << 30)
        child = home.begin("image", "import", disk)
        staging = os.path.join(home.path, "staging")
        check(processes.until(lambda: os.path.isdir(staging) and
                              any(names for _, _, names in os.walk(staging) if "disk.raw" in names), seconds(20)), "no copy begins")
        processes.send(child.pid, signal.SIGINT)
        result = home.finish(child, 20)
        check(result.code == 130 and "cancelled" in result.err, str(result))
        check(home.json("image", "list") == {"images": []} and not os.listdir(staging), "the import left something")
        home.check_no_process_left()


def on_a_terminal():
    with Home() as home:
        disk = make_disk(home, 3 << 30)
        master, slave = pty.openpty()
        child = processes.start([home.cli, "--home", home.path, "image", "import", disk], env=home.environment({"TERM": "xterm"}),
                                stdout=slave, stderr=slave)
        os.close(slave)
        shown, end = b"", time.monotonic() + seconds(60)
        while time.monotonic() < end:
            try:
                part = os.read(master, 65536)
            except OSError:
                break  # EIO: the other side is closed
            shown += part
        os.close(master)
        check(child.wait(seconds(10)) == 0, f"{shown}")
        check(b"copying the disk  [" in shown and b"of 3.0 GiB" in shown, f"no bar: {shown[:500]}")
        check(shown.count(b"\r\x1b[KImported disk") == 1, f"the line was not erased: {shown[-300:]}")


def documented_members():
    with Home() as home, open(os.path.join(sys.argv[1], "json-output.md"), encoding="utf-8") as file:
        text = file.read()
        home.import_tiny()
        things = home.json("image", "list")["images"] + home.json("plugins", "list")["plugins"]
        check(len(things) >= 4, f"{things}")
        missing = {member for thing in things for member in thing if f"`{member}`" not in text}
        check(not missing, f"docs/json-output.md does not name {missing}")


if __name__ == "__main__":
    suite.main(import_list_info_remove, relative_paths, refusals, interrupted, on_a_terminal, documented_members)
