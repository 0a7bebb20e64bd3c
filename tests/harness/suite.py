# SPDX-License-Identifier: MIT
"""Runs a file's test functions: one line each, exit code 0, 1, or 77 when all were skipped."""

import os
import sys
import time
import traceback

from harness import processes

SKIP_CODE = 77

# Sanitizers make programs slow: the build says how much more time to give.
TIME_FACTOR = float(os.environ.get("ANYVISOR_TEST_TIME_FACTOR", "1"))


class Skip(Exception):
    """Raised with the reason why a test cannot run here."""


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def seconds(amount):
    """A time limit, longer in slow builds."""
    return amount * TIME_FACTOR


# Where a build has them, for runs by hand; ctest says which build it tests.
BY_HAND = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release")
PROGRAMS = {"ANYVISOR_CLI": "stage/bin/anyvisor", "ANYVISOR_TINY_GUEST": "guests/tiny.elf",
            "ANYVISOR_PAGES_GUEST": "guests/pages.elf", "ANYVISOR_BENCH_CLONE": "bench/bench-clone",
            "ANYVISOR_BENCH_RESTORE": "bench/bench-restore"}


def program(variable):
    """Path of a built program: from the environment, else of the release build."""
    path = os.environ.get(variable) or os.path.normpath(os.path.join(BY_HAND, PROGRAMS[variable]))
    check(os.path.exists(path), f"{path}: no such file; build first, or name it by {variable}")
    return path


def main(*tests):
    processes.become_subreaper()
    failed = skipped = 0
    for test in tests:
        name, begin = test.__name__, time.monotonic()
        try:
            test()
            verdict = "ok"
        except Skip as reason:
            skipped += 1
            verdict = f"skipped: {reason}"
        except BaseException:
            failed += 1
            verdict = "FAILED"
            traceback.print_exc(file=sys.stdout)
        finally:
            processes.kill_all()
        print(f"{name}: {verdict} ({time.monotonic() - begin:.2f} s)", flush=True)
    sys.exit(1 if failed else SKIP_CODE if skipped == len(tests) else 0)
