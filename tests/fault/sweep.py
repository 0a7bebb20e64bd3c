#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGKILL of each program at each durable step of one operation: sweep.py OPERATION [--jobs N] [--only TEXT]; OPERATION: of
operations.py or clone_operations.py.

A recording run lists the points that the operation passes. Then, for each of them and each victim (the CLI, the plugin-host,
the VMM) that is there at that point: the operation runs until the point, the victim is killed, whoever was stopped goes on, and
the invariants are checked: of what can be seen at once, and after the operation was repeated. `list` and `info` run in a
loop meanwhile. The worker processes take the points one by one.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault import clone_operations, invariants, live_clone_operation, operations, standby_operations  # noqa: E402
from harness import points, processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

OPERATIONS = {**operations.OPERATIONS, **clone_operations.OPERATIONS, **live_clone_operation.OPERATIONS,
              **standby_operations.OPERATIONS}
# A plugin-host may be older than the operation: it has its orders from the commands that came before.
ARMED_EARLY = ("plugin-host",)


def record(operation):
    """The points of one undisturbed run."""
    with Home() as home:
        operation.prepare_home(home)
        log = os.path.join(home.base, "points")
        logged = {"ANYVISOR_POINTS_LOG": log}
        operation.prepare(home, lambda *arguments: home.run(*arguments, env=logged))
        first = len(points.read_passings(log))
        home.run(*operation.arguments, env=logged)
        processes.until(lambda: not processes.plugin_hosts(), 1)  # what it still has to do belongs to the operation
        return points.points_of(points.read_passings(log), first, ARMED_EARLY)


def find_victims(kind, command, stopped):
    """Pids of the running processes of that kind; the stopped one alone when it is of that kind."""
    if kind == "anyvisor":
        return [command.pid]
    if kind == "vmm":
        return [process.pid for process in processes.vmms()]
    hosts = [process.pid for process in processes.plugin_hosts()]
    return [stopped] if stopped in hosts else hosts


def strike(home, operation, point, kind):
    """Runs the operation up to the point, kills, lets it end. Returns which kinds of victims were there."""
    stop = points.Stop(point, os.path.join(home.base, "stopped"))

    def run(*arguments):
        command = home.begin(*arguments, env=stop.env() if point.program in ARMED_EARLY else None)
        stop.pass_by(command)
        result = home.finish(command)
        check(result.code == 0, str(result))

    operation.prepare(home, run)
    with invariants.Observer(home, operations.NAME) as observer:
        command = home.begin(*operation.arguments, env=stop.env())
        stopped = stop.caught(command)
        there = {each: find_victims(each, command, stopped) for each in operation.victims}
        victims = there[kind]
        for pid in victims:
            processes.send(pid, signal.SIGKILL)
        if stopped not in victims:
            points.resume(stopped)

        def ended():
            stop.release_others(stopped)
            return command.ended()

        processes.until(ended, seconds(40))
        result = home.finish(command, limit=1)
    observer.check()
    check(result.code is not None and (result.code >= 0 or kind == "anyvisor" and result.code == -signal.SIGKILL),
          f"the CLI crashed: {result}")
    return {each for each in operation.victims if there[each]}


class Worker:
    """Sweeps points on a home folder of its own, a new one after each failure."""

    def __init__(self, name):
        self.operation_class = OPERATIONS[name]
        self.home = None

    def fresh_home(self):
        self.close()
        self.home = Home()
        self.operation_class().prepare_home(self.home)

    def close(self, error=None):
        home, self.home = self.home, None
        if home:
            home.__exit__(error)

    def sweep(self, point):
        """Results of all victims at this point. The first, the CLI, is always there and shows who else is."""
        victims = self.operation_class.victims
        results, there = [], set(victims)
        for kind in victims:
            begin, operation = time.monotonic(), self.operation_class()
            try:
                if not self.home:
                    self.fresh_home()
                if kind in there:
                    there = strike(self.home, operation, point, kind)
                    operation.settle(self.home)
                verdict = "ok" if kind in there else "absent"
            except Exception as error:  # pylint: disable=broad-except
                verdict = f"{error}" if isinstance(error, AssertionError) else traceback.format_exc()
                self.close(error)
            results.append({"point": str(point), "victim": kind, "verdict": verdict, "seconds": time.monotonic() - begin})
        return results


def work(arguments, every_point, shared):
    """One worker: takes the next point that nobody has taken, until there is none."""
    processes.become_subreaper()
    worker = Worker(arguments.operation)
    with open(os.path.join(shared, f"results-{os.getpid()}"), "w", encoding="utf-8") as out:
        for index, point in every_point:
            try:
                os.close(os.open(os.path.join(shared, f"taken-{index}"), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            for result in worker.sweep(point):
                out.write(json.dumps(result) + "\n")
            out.flush()
    worker.close()


def sweep(arguments):
    operation = OPERATIONS[arguments.operation]()
    recorded = record(operation)
    check(recorded, "the operation passed no point: was it built with ANYVISOR_FAULT_POINTS?")
    per_program = {name: sum(point.program == name for point in recorded) for name in sorted({p.program for p in recorded})}
    print(f"{arguments.operation}: {len(recorded)} points ({', '.join(f'{n} in {name}' for name, n in per_program.items())})",
          flush=True)
    chosen = [(index, point) for index, point in enumerate(recorded) if arguments.only in str(point) and operation.covers(point)]
    with tempfile.TemporaryDirectory(prefix="anyvisor-sweep-") as shared:
        share_out(arguments, chosen, shared)


def share_out(arguments, chosen, shared):
    """Workers are new programs, not forks: threads run here."""
    with open(os.path.join(shared, "points"), "w", encoding="utf-8") as file:
        json.dump([(i, p.program, p.point, p.occurrence, p.turn) for i, p in chosen], file)
    script = [sys.executable, "-B", os.path.abspath(__file__), arguments.operation, "--shared", shared]
    begin = time.monotonic()
    workers = [processes.start(script, stdout=sys.stdout.fileno(), stderr=sys.stderr.fileno()) for _ in range(arguments.jobs)]
    for worker in workers:
        worker.wait(None)
    report(arguments, shared, len(chosen), time.monotonic() - begin)
    check(all(worker.code == 0 for worker in workers), f"workers ended with {[worker.code for worker in workers]}")


def report(arguments, shared, expected, elapsed):
    results = []
    for name in os.listdir(shared):
        if name.startswith("results-"):
            with open(os.path.join(shared, name), encoding="utf-8") as file:
                results += [json.loads(line) for line in file]
    operation = OPERATIONS[arguments.operation]
    failed = [result for result in results if result["verdict"] not in ("ok", "absent")]
    for result in failed:
        print(f"FAILED: {arguments.operation}, {result['point']}, {result['victim']} killed: {result['verdict']}\n")
    killed = {kind: sum(r["victim"] == kind and r["verdict"] == "ok" for r in results) for kind in operation.victims}
    slowest = max(results, key=lambda result: result["seconds"], default=None)
    print(f"{arguments.operation}: {len(results)} runs, killed: {killed}, no such victim: "
          f"{sum(r['verdict'] == 'absent' for r in results)}, failed: {len(failed)}, {elapsed:.0f} s"
          + (f", slowest {slowest['seconds']:.1f} s ({slowest['point']}, {slowest['victim']})" if slowest else ""), flush=True)
    check(not failed, f"{len(failed)} of {len(results)} runs failed")
    check(len(results) == expected * len(operation.victims), f"{len(results)} results of {expected} points")
    if not arguments.only:
        check(all(killed[kind] for kind in operation.needed), f"a victim was never there: {killed}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operation", choices=OPERATIONS)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--only", default="", help="only points whose description contains this")
    parser.add_argument("--shared", help=argparse.SUPPRESS)  # set for a worker
    arguments = parser.parse_args()
    if arguments.shared:
        with open(os.path.join(arguments.shared, "points"), encoding="utf-8") as file:
            listed = [(index, points.Point(*rest)) for index, *rest in json.load(file)]
        work(arguments, listed, arguments.shared)
        return

    def fault_sweep():
        sweep(arguments)

    suite.main(fault_sweep)


if __name__ == "__main__":
    main()
