# SPDX-License-Identifier: MIT
"""Reads what `strace -f -y` wrote and finds durable changes that lie outside of any durable step, and instances that are published
before what they consist of is flushed: files that were written in their staging folder or among the disks.

Followed per thread: which program it runs, and which steps are open in it (the markers of core/src/storage/durable_step.hpp are
writes to descriptor -1). A step covers the thread that opened it, and a process that this thread makes, until that one's exec.

Not looked at: what a program of others does after its exec (qemu, qemu-img, cp), and the shell that runs the commands.
There are no other exemptions: cache/ and the removal of sockets lie in steps like everything else.
"""

import os
import re

OWN = ("anyvisor", "plugin-host")
DURABLE = ("fsync", "fdatasync", "sync_file_range", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
           "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir")
FORKS = ("clone", "clone3", "fork", "vfork")
WRITES = ("write", "pwrite64")
TRACED = ",".join((*DURABLE, *FORKS, *WRITES, "execve"))

CALL = re.compile(r"(\w+)\((.*)$")
MARKER = re.compile(r'-1(?:<[^>]*>)?, "anyvisor-point ([^"]+):(before|after)"')
RESULT = re.compile(r"\)\s*= (-?\d+)[^=]*$")
DESCRIPTOR = re.compile(r"\d+<(/[^>]*)>")
PATHS = re.compile(r'"(/[^"]*)"')
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)$")


class Thread:
    def __init__(self, program=None, covered_by=()):
        self.program = program             # None: not one of ours
        self.open = []                     # steps, innermost last
        self.covered_by = list(covered_by)  # steps of its maker, until exec


class Finding:
    def __init__(self, number, pid, program, line):
        self.number, self.pid, self.program, self.line = number, pid, program, line

    def __str__(self):
        return f"line {self.number}: {self.program} ({self.pid}): {self.line[:300]}"


class Log:
    """Of one strace run. `outside`: changes outside of any step; `inside`: how many lie inside, by step; `starts`: program starts;
    `early`: files that were not flushed when their instance was published."""

    def __init__(self, lines):
        self.threads, self.unfinished, self.waiting = {}, {}, {}
        self.outside, self.inside, self.starts, self.misnested = [], {}, {}, []
        self.unflushed, self.early, self.published = set(), [], 0
        for number, line in enumerate(lines, 1):
            pid, _, text = line.rstrip("\n").partition(" ")
            if pid.isdigit():
                self._take(number, int(pid), text.strip())

    def _take(self, number, pid, text):
        if not self.threads:
            self.threads[pid] = Thread()  # the shell
        if pid not in self.threads:
            # It runs before its maker's fork has returned: read on when we know whose it is.
            self.waiting.setdefault(pid, []).append((number, text))
            return
        resumed = RESUMED.match(text)
        if resumed:
            text = self.unfinished.pop(pid, "") + resumed.group(2)
        elif "<unfinished ...>" in text:
            # A thread's steps do not change during a call, so it is judged when it has returned.
            self.unfinished[pid] = text.replace("<unfinished ...>", "")
            return
        call, value = CALL.match(text), RESULT.search(text)
        if call and value:
            self._call(number, pid, *call.groups(), int(value.group(1)))

    def _call(self, number, pid, name, arguments, result):
        thread = self.threads[pid]
        if name in WRITES:
            written = DESCRIPTOR.match(arguments)
            if written and thread.program in OWN:
                self.unflushed.add(written.group(1))
            marker = MARKER.match(arguments)
            if marker and thread.program in OWN:
                self._mark(number, pid, thread, *marker.groups())
        elif result < 0 or thread.program is None and name not in (*FORKS, "execve"):
            return
        elif name in FORKS:
            self._fork(result, thread, "CLONE_THREAD" in arguments)
        elif name == "execve":
            program = os.path.basename(re.match(r'"([^"]*)"', arguments).group(1))
            if thread.program in OWN:
                self.starts[program] = self.starts.get(program, 0) + 1
                self._judge(number, pid, thread, f"{name}({arguments}")
            self.threads[pid] = Thread(program if program in OWN else None)
        else:
            self._judge(number, pid, thread, f"{name}({arguments}")
            self._follow(number, pid, thread, name, arguments)

    def _follow(self, number, pid, thread, name, arguments):
        """Which files are flushed, and under which name."""
        paths = PATHS.findall(arguments)
        if name in ("fsync", "fdatasync"):
            self.unflushed.discard(DESCRIPTOR.match(arguments).group(1) if DESCRIPTOR.match(arguments) else "")
        elif name.startswith("unlink"):
            gone = re.search(r'"([^"]*)"', arguments).group(1).rsplit("/", 1)[-1]
            self.unflushed = {path for path in self.unflushed if path.rsplit("/", 1)[-1] != gone}
        elif name.startswith("rename") and len(paths) == 2:
            old, new = paths
            if "/staging/" in old and "/instances/" in new:
                self.published += 1
                self.early += [Finding(number, pid, thread.program, f"{path} is not flushed") for path in sorted(self.unflushed)
                               if path.startswith(old + "/") or "/disks/" in path]
            self.unflushed = {new + path[len(old):] if path.startswith(old + "/") else path for path in self.unflushed}

    def _judge(self, number, pid, thread, line):
        steps = thread.covered_by + thread.open
        if steps:
            self.inside[steps[-1]] = self.inside.get(steps[-1], 0) + 1
        else:
            self.outside.append(Finding(number, pid, thread.program, line))

    def _mark(self, number, pid, thread, step, side):
        if side == "before":
            thread.open.append(step)
        elif step in thread.open:
            thread.open.remove(step)
        else:
            self.misnested.append(Finding(number, pid, thread.program, f"{step}:after without {step}:before"))

    def _fork(self, pid, parent, is_thread):
        covered_by = [] if is_thread else parent.covered_by + parent.open
        self.threads[pid] = Thread(parent.program, covered_by)
        for number, text in self.waiting.pop(pid, []):
            self._take(number, pid, text)
