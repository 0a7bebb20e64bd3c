#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completion as people have it: an interactive bash on a terminal, keys, and what stands on its line; zsh and fish where they are
installed. The manual pages as groff takes them. Argument: the stage's folder share."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

SHARE = sys.argv[1]


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, argv, home):
        self.master, slave = pty.openpty()
        environment = {**home.environment(), "TERM": "dumb", "PS1": "$ ", "ANYVISOR_HOME": home.path,
                       "PATH": os.path.dirname(home.cli) + ":" + os.environ["PATH"]}
        self.child = processes.start(argv, env=environment, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read_until(self, pattern, limit=10):
        """What came until it matches; fails when it does not."""
        heard, end = "", time.monotonic() + seconds(limit)
        while not re.search(pattern, heard):
            check(time.monotonic() < end, f"no {pattern!r} in: {heard!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                heard += os.read(self.master, 4096).decode(errors="replace")
        return heard

    def close(self):
        processes.send(self.child.pid, 9)
        self.child.wait(seconds(5))
        os.close(self.master)


def filled(home):
    home.run("image", "import", "--kernel", suite.program("ANYVISOR_TINY_GUEST"), "--name", "tiny:1")
    home.run("set", "--global", "memory.backing=memfd")


# What is typed, and what then stands on the line.
TYPED = [
    ("anyvisor restar\t--forc\t", "anyvisor restart --force "),
    ("anyvisor list --format y\t", "anyvisor list --format yaml "),
    ("anyvisor list --format=cs\t", "anyvisor list --format=csv "),
    ("anyvisor launch ti\t", "anyvisor launch tiny:1 "),
    ("anyvisor launch tiny:\t", "anyvisor launch tiny:1 "),
    ("anyvisor image remove t\t", "anyvisor image remove tiny:1 "),
    ("anyvisor plugins info user-n\t", "anyvisor plugins info user-network "),
    ("anyvisor get --global memory.b\t", "anyvisor get --global memory.backing "),
    ("anyvisor set --global memory.b\tfile", "anyvisor set --global memory.backing=file"),
    ("anyvisor launch --cloud-init /etc/host\t", "anyvisor launch --cloud-init /etc/host"),
]


def bash():
    with Home() as home:
        filled(home)
        terminal = Terminal([shutil.which("bash"), "--norc", "--noprofile", "-i"], home)
        terminal.read_until(r"\$ ")
        terminal.type(f"bind 'set bell-style none'; source {SHARE}/bash-completion/completions/anyvisor && echo so''urced\n")
        terminal.read_until("sourced\r\n.*\\$ ")
        for keys, line in TYPED:
            terminal.type(keys)
            terminal.read_until(line)
            terminal.type("\x15\n")  # the line is not run
            terminal.read_until(r"\n\$ ")
        terminal.close()


def scripts_of_other_shells():
    for shell, file in (("zsh", "zsh/site-functions/_anyvisor"), ("fish", "fish/vendor_completions.d/anyvisor.fish")):
        path = os.path.join(SHARE, file)
        check(os.path.getsize(path) > 100, path)
        if shutil.which(shell):
            done = subprocess.run([shell, "-n", path], capture_output=True, check=False)
            check(done.returncode == 0, f"{shell}: {done.stderr}")
        else:
            print(f"  {shell} is not installed: its script was not read by it")


def manual_pages():
    pages = os.path.join(SHARE, "man", "man1")
    names = sorted(os.listdir(pages))
    check("anyvisor.1" in names and "anyvisor-image-import.1" in names and len(names) > 30, f"{names}")
    check(not any("complete.1" in name or "manual" in name for name in names), f"{names}")
    if not shutil.which("groff"):
        print("  groff is not installed: the pages were not read by it")
        return
    for name in names:
        done = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou", os.path.join(pages, name)], capture_output=True, check=False)
        check(done.returncode == 0 and not done.stderr, f"{name}: {done.stderr}")
        check(b"NAME" in done.stdout, f"{name} has no NAME")


if __name__ == "__main__":
    suite.main(bash, scripts_of_other_shells, manual_pages)
