#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clones of real Debian disks beside what others do (bench/clone): makes the disks, then measures.

They are kept in $ANYVISOR_BENCH_FOLDER when it is set (12 GiB), so that the next run begins at once. $ANYVISOR_DEBIAN_CACHE names the
folder with the built Debian image. --repetitions 1: one small disk, each quick row once.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from rows import repetitions
from harness import suite

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK_ROWS = "storage-and-identity|in-process|command|peer-full-copy|peer-multipass"


def main():
    quick = repetitions(0) == 1
    program = suite.program("ANYVISOR_BENCH_CLONE")
    folder = os.environ.get("ANYVISOR_BENCH_FOLDER") or tempfile.mkdtemp(prefix="anyvisor-bench-")
    try:
        made = subprocess.run([sys.executable, "-B", os.path.join(HERE, "clone", "sources.py"), folder, *(["--quick"] if quick else [])], check=False)
        if made.returncode != 0:
            sys.exit(made.returncode)
        arguments = ["--quick", f"--benchmark_filter={QUICK_ROWS}"] if quick else []
        subprocess.run([program, folder, *arguments], check=True, env={**os.environ, "ANYVISOR_CLI": suite.program("ANYVISOR_CLI")})
    finally:
        if not os.environ.get("ANYVISOR_BENCH_FOLDER"):
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
