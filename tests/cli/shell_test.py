#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completion as people have it: an interactive bash (and zsh, where it is installed) on a terminal, keys, and what stands on its
line; fish, where it is installed, is asked by its own command. The manual pages as groff takes them. Argument: the stage's folder share."""

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
        environment = {**home.environment(), "TERM": "dumb", "PS1": "$ ", "S": SHARE, "ANYVISOR_HOME": home.path,
                       "PATH": os.path.dirname(home.cli) + ":" + os.environ["PATH"]}
        # In a session of its own: a shell takes the terminal that it is on.
        self.child = processes.start(["setsid", "-c", *argv], env=environment, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read_until(self, pattern, limit=10):
        """What came until it matches; fails when it does not."""
        heard, end = "", time.monotonic() + seconds(limit)
        while not re.search(pattern, re.sub(r"[^\x08]\x08", "", heard)):  # what was taken back
            check(time.monotonic() < end, f"no {pattern!r} in: {heard!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                heard += os.read(self.master, 4096).decode(errors="replace").replace("\x07", "")  # its bell
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
    ("anyvisor launch --cloud-init /etc/hostn\t", "anyvisor launch --cloud-init /etc/hostname "),
]


def type_all(argv, begin):
    """`begin`: the line that loads the completion."""
    with Home() as home:
        filled(home)
        terminal = Terminal(argv, home)
        terminal.read_until(r"\$ ")
        terminal.type(begin + " && echo so''urced\n")
        terminal.read_until("sourced\r\n[\\s\\S]*\\$ ")
        for keys, line in TYPED:
            terminal.type(keys)
            terminal.read_until(line)
            terminal.type("\x15\n")  # the line is not run
            terminal.read_until(r"\n[\s\S]*\$ ")
        terminal.close()


def bash():
    type_all([shutil.which("bash"), "--norc", "--noprofile", "-i"],
             "bind 'set bell-style none'; source $S/bash-completion/completions/anyvisor")


def zsh():
    if not shutil.which("zsh"):
        print("  zsh is not installed: its script was not tried")
        return
    type_all([shutil.which("zsh"), "-f", "-i"], "fpath+=($S/zsh/site-functions); autoload -Uz compinit; compinit -u -D")


def fish():
    if not shutil.which("fish"):
        print("  fish is not installed: its script was not tried")
        return
    with Home() as home:
        filled(home)
        environment = {**home.environment(), "ANYVISOR_HOME": home.path, "PATH": os.path.dirname(home.cli) + ":" + os.environ["PATH"]}

        def asked(line):
            script = f"source {SHARE}/fish/vendor_completions.d/anyvisor.fish; complete -C '{line}'"
            done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, env=environment, check=False)
            check(done.returncode == 0, f"{line}: {done.stderr}")
            return [each.split("\t")[0] for each in done.stdout.splitlines()]

        check(asked("anyvisor resta") == ["restart"], "a command")
        check(asked("anyvisor launch ti") == ["tiny:1"], "an image")
        check(asked("anyvisor list --format ") == ["csv", "json", "table", "yaml"], "values")
        check(asked("anyvisor launch --cloud-init /etc/hostn") == ["/etc/hostname"], "a file")


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
    suite.main(bash, zsh, fish, manual_pages)
