# SPDX-License-Identifier: MIT
"""Stopping programs at durable steps (core/src/storage/durable_step.hpp)."""

import os
import signal
import time

from harness import processes, suite
from harness.suite import check


class Passing:
    """One line of ANYVISOR_POINTS_LOG, and the how-manieth passing of that point in its process it is."""

    def __init__(self, pid, program, point, occurrence):
        self.pid, self.program, self.point, self.occurrence = pid, program, point, occurrence

    def key(self):
        return self.program, self.point, self.occurrence


def read_passings(path):
    passings, counted = [], {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]
    except FileNotFoundError:
        return []
    for line in lines:
        pid, program, point = line.split(" ")
        counted[pid, point] = counted.get((pid, point), 0) + 1
        passings.append(Passing(int(pid), program, point, counted[pid, point]))
    return passings


class Point:
    """Where to stop: at the `turn`-th process of `program` (0: the first) that passes `point` for the `occurrence`-th time."""

    def __init__(self, program, point, occurrence, turn):
        self.program, self.point, self.occurrence, self.turn = program, point, occurrence, turn

    def __str__(self):
        turn = f", process {self.turn + 1}" if self.turn else ""
        return f"{self.program} at {self.point}#{self.occurrence}{turn}"


def points_of(passings, first=0, armed_early=()):
    """Every Point of passings[first:], in order. Programs in `armed_early` are armed from the very first passing on, so that theirs
    before `first` count as turns too; the others from `first` on."""
    found, turns = [], {}
    for index, passing in enumerate(passings):
        if index < first and passing.program not in armed_early:
            continue
        turn = turns.get(passing.key(), 0)
        turns[passing.key()] = turn + 1
        if index >= first:
            found.append(Point(*passing.key(), turn))
    return found


class Stop:
    """Arms a command: env() goes into its environment; caught() waits until the chosen process stands still there."""

    def __init__(self, point, report):
        self.point, self.report = point, report
        self._let_go = 0
        if os.path.exists(report):
            os.remove(report)

    def env(self):
        return {"ANYVISOR_STOP_AT": f"{self.point.point}#{self.point.occurrence}", "ANYVISOR_STOP_REPORT": self.report,
                "ANYVISOR_STOP_PROGRAM": self.point.program}

    def _reported(self):
        try:
            with open(self.report, encoding="utf-8") as file:
                return [int(line.split(" ")[0]) for line in file.read().split("\n")[:-1]]
        except FileNotFoundError:
            return []

    def _let_earlier_go(self):
        """Resumes those whose turn is not meant. Pid of the one that is; None when it has not stopped yet."""
        reported = self._reported()
        for pid in reported[self._let_go:self.point.turn]:
            resume(pid)
        self._let_go = max(self._let_go, min(len(reported), self.point.turn))
        return reported[self.point.turn] if len(reported) > self.point.turn else None

    def pass_by(self, child, limit=60):
        """Waits for the end of a command that comes before the one in which the process is to stop."""
        def look():
            return child.ended() or self._let_earlier_go()

        processes.until(look, suite.seconds(limit), pause=0.003)
        check(child.ended(), f"{self.point} was reached too early, by {' '.join(child.argv[1:])}")

    def caught(self, child, limit=30):
        """Pid of the stopped process. Fails when `child` (the armed command) ends without one having stopped; a process that outlives
        it has two more seconds."""
        own = self.point.program == os.path.basename(child.argv[0])
        grace = seconds_from(child.ended, 0 if own else suite.seconds(2))

        def look():
            over = grace()  # asked first: who stopped before that is seen below
            return self._let_earlier_go() or (-1 if over else None)

        pid = processes.until(look, suite.seconds(limit), pause=0.003)
        check(pid != -1, f"{self.point} was not reached: the command ended with {child.code}")
        check(pid is not None, f"{self.point} was not reached within {limit} s")
        stopped = processes.until(lambda: processes.state_of(pid) in ("T", None), suite.seconds(5), pause=0.002)
        check(stopped, f"process {pid} reported {self.point} and did not stop")
        return pid

    def release_others(self, pid):
        """Lets every later process that stopped at the same point go on."""
        for other in self._reported():
            if other != pid and processes.state_of(other) == "T":
                resume(other)


def seconds_from(event, amount):
    """A function that says whether `amount` seconds have passed since event() was first seen to be true."""
    seen = []

    def over():
        if event():
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= amount

    return over


def resume(pid):
    processes.until(lambda: processes.state_of(pid) in ("T", "Z", None), 1, pause=0.002)
    processes.send(pid, signal.SIGCONT)
