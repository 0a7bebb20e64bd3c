#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGKILL at random times: also in the middle of a step, where the sweep over points does not look. random_test.py [SEED]"""

import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault import invariants, operations  # noqa: E402
from fault.sweep import find_victims  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check  # noqa: E402

ROUNDS = 3  # for each operation and victim


def one_kill(home, operation, kind, longest, chance):
    """Kills somewhere in the first `longest` seconds; returns the time that the command took when it survived."""
    operation.prepare(home, home.run)
    moment = chance.uniform(0, longest)
    with invariants.Observer(home, operations.NAME) as observer:
        command = home.begin(*operation.arguments)
        time.sleep(moment)
        for pid in find_victims(kind, command, stopped=None):
            processes.send(pid, signal.SIGKILL)
        result = home.finish(command)
    check(result.code >= 0 or kind == "anyvisor" and result.code == -signal.SIGKILL, f"the CLI crashed: {result}")
    check(not observer.complaints, f"meanwhile: {observer.complaints}")
    operation.settle(home)


def random_moments():
    seed = sys.argv[1] if len(sys.argv) > 1 else str(random.SystemRandom().randrange(10**6))
    print(f"  seed {seed}", flush=True)
    chance = random.Random(seed)
    with Home() as home:
        operations.Launch().prepare_home(home)
        for name, make in operations.OPERATIONS.items():
            operation = make()
            operation.prepare(home, home.run)
            longest = home.run(*operation.arguments).elapsed
            home.run("delete", "--purge", "--all", "--force", ok=False)
            for number in range(ROUNDS):
                for kind in operation.victims:
                    try:
                        one_kill(home, operation, kind, longest, chance)
                    except AssertionError as error:
                        raise AssertionError(f"seed {seed}, {name}, round {number}, {kind} killed: {error}") from error


if __name__ == "__main__":
    suite.main(random_moments)
