#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole process: exec of `anyvisor version` to its end, as a shell's user waits for it. Beside it /bin/true: the floor."""

import os
import time

from rows import print_row, repetitions
from harness import suite


def time_of(argv, environment):
    begin = time.monotonic()
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status = os.waitpid(pid, 0)
    elapsed = time.monotonic() - begin
    suite.check(status == 0, f"{argv} ended with status {status}")
    return elapsed


def main():
    count, cli = repetitions(100), suite.program("ANYVISOR_CLI")
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    ours, floor = [], []
    for _ in range(count):
        ours.append(time_of([cli, "version"], environment))
        floor.append(time_of(["/bin/true"], environment))
    print_row("/bin/true", floor)
    print_row("anyvisor version", ours, target_ms=15)


if __name__ == "__main__":
    main()
