#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Standby and restore beside what others do (bench/restore), with the guest of tests/guests/pages.c. --repetitions 1: one small machine, each row once.

In TMPDIR's file system, on which 10 GiB have to be free."""

import subprocess

from rows import repetitions
from harness import suite
from harness.home import Home


def main():
    quick = repetitions(0) == 1
    guest = suite.program("ANYVISOR_PAGES_GUEST")
    with Home() as home:
        home.run("image", "import", "--kernel", guest, "--name", "pages")
        subprocess.run([suite.program("ANYVISOR_BENCH_RESTORE"), home.base, *(["--quick"] if quick else [])], check=True)


if __name__ == "__main__":
    main()
