#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The harness itself, on small stand-in programs: what it is to find, it finds."""

import fcntl
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, locks, points, processes, suite  # noqa: E402
from harness.suite import check  # noqa: E402

# A program with two durable steps, as core/src/storage/durable_step.cpp has them; it ends with 7.
STAND_IN = """
import os, signal, sys
passed = {}
for point in ("a.x:before", "a.x:after", "a.x:before", "a.x:after"):
    line = f"{os.getpid()} anyvisor {point}\\n"
    log = os.environ.get("ANYVISOR_POINTS_LOG")
    if log: open(log, "a").write(line)
    passed[point] = passed.get(point, 0) + 1
    if os.environ.get("ANYVISOR_STOP_AT") == f"{point}#{passed[point]}":
        open(os.environ["ANYVISOR_STOP_REPORT"], "a").write(line)
        os.kill(os.getpid(), signal.SIGSTOP)
sys.exit(7)
"""


def fails(action, *words):
    try:
        action()
    except AssertionError as error:
        check(all(word in str(error) for word in words), f"failed with another message: {error}")
        return
    raise AssertionError("a failure was not noticed")


def two_stand_ins(env):
    script = '"$0" -c "$1"; "$0" -c "$1"; exit 5'
    return processes.start(["sh", "-c", script, sys.executable, STAND_IN], env={**os.environ, **env})


def orphans_are_found_and_reaped():
    child = processes.start(["sh", "-c", "(setsid sleep 30 &); exit 3"])
    check(child.wait(5) == 3, f"exit code {child.code}")
    found = processes.until(lambda: [seen for seen in processes.descendants() if seen.program() == "sleep"], 5)
    check(found and found[0].parent == os.getpid(), f"the orphan was not found: {list(map(str, processes.descendants()))}")
    with processes.unreaped():
        processes.send(found[0].pid, 9)
        check(processes.until(lambda: processes.state_of(found[0].pid) == "Z", 5), "no zombie although nobody reaps")
        check(not processes.is_alive(found[0].pid), "a zombie counts as alive")
    check(processes.until(lambda: not processes.descendants(), 5), "the orphan was not reaped")


def exit_codes_are_the_tests_own():
    """Output is read to its end before a child is waited for: long enough for a reaper to take the exit code away."""
    for _ in range(200):
        done = subprocess.run(["sh", "-c", "(exit 0) & exit 3"], capture_output=True, check=False)
        check(done.returncode == 3, f"exit code {done.returncode}")
    left = subprocess.Popen(["sleep", "0.1"])  # nobody waits for it: it must not keep others from being reaped
    check(processes.until(lambda: processes.state_of(left.pid) == "Z", 5), "it did not end")
    processes.start(["sh", "-c", "(setsid sleep 0.2 &)"]).wait(5)
    check(processes.until(lambda: len(processes.descendants()) == 1, 5), "the orphan was not reaped")
    check(left.wait(0) == 0, f"exit code {left.returncode}")


def points_are_recorded_and_stopped_at():
    with tempfile.TemporaryDirectory() as folder:
        log, report = os.path.join(folder, "log"), os.path.join(folder, "report")
        check(two_stand_ins({"ANYVISOR_POINTS_LOG": log}).wait(10) == 5, "the stand-ins failed")
        recorded = points.points_of(points.read_passings(log))
        check(len(recorded) == 8 and len(set(map(str, recorded))) == 8, f"points: {list(map(str, recorded))}")
        for point in recorded:
            stop = points.Stop(point, report)
            child = two_stand_ins(stop.env())
            pid = stop.caught(child)
            check(processes.state_of(pid) == "T" and not child.ended(), "not stopped")
            points.resume(pid)
            processes.until(lambda: stop.release_others(pid) or child.ended(), 10)
            check(child.code == 5, f"{point}: went on, and ended with {child.code}")
        for program, point, occurrence, turn in (("anyvisor", "b.y:before", 1, 0), ("anyvisor", "a.x:after", 3, 0),
                                                 ("anyvisor", "a.x:after", 1, 2)):
            stop = points.Stop(points.Point(program, point, occurrence, turn), report)
            child = two_stand_ins(stop.env())
            fails(lambda stop=stop, child=child: stop.caught(child), "was not reached")


def held_locks_are_seen():
    with tempfile.NamedTemporaryFile() as file:
        check(locks.is_free(file.name), "a free lock is held")
        fcntl.fcntl(file.fileno(), locks.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        check(not locks.is_free(file.name), "a held lock is free")
        check([seen.pid for seen in locks.holders(file.name, [processes.Seen(os.getpid())])] == [os.getpid()], "no holder")


def holes_in_the_console_are_seen():
    lines = [f"{number:08x}" for number in range(1, 40)]
    whole = "\n".join(["old garbage", *lines, "000000"])
    check(console.check_no_hole(whole) == 39, "a whole log is whole")
    fails(lambda: console.check_no_hole(whole.replace("00000010\n", "")), "has 17 where 16")
    fails(lambda: console.check_no_hole(whole.replace("00000010\n", "0000\0\0\0\0\n")), "garbled")
    again = "\n".join([*lines, "0000", ""]) + "00000001\n00000002\n"
    check(console.last_run(again) == [1, 2], f"the last run is {console.last_run(again)}")


if __name__ == "__main__":
    suite.main(orphans_are_found_and_reaped, exit_codes_are_the_tests_own, points_are_recorded_and_stopped_at, held_locks_are_seen,
               holes_in_the_console_are_seen)
