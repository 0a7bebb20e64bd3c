#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many processes on one home folder at once: nothing collides, and whoever looks meanwhile gets an answer."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault.invariants import Observer, check_disks, check_nothing_half_there  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

AT_ONCE = 8


def succeed(home, children):
    results = [home.finish(child, limit=90) for child in children]
    for result in results:
        check(result.code == 0, str(result))
    return results


def generated_names_at_once():
    """Eight launches without --name at the same time, then eight deletions."""
    with Home() as home:
        home.import_tiny("with-disk", disk=True)
        before = home.files()
        with Observer(home, "nothing-of-this-name") as observer:
            succeed(home, [home.begin("launch", "with-disk", "--memory", "16M", "--network", "user", "--publish", "0:80")
                           for _ in range(AT_ONCE)])
            instances = home.list()
            check(len(instances) == AT_ONCE, f"{len(instances)} of {AT_ONCE} are listed")
            check(all(instance["state"] == "Running" for instance in instances), f"not all are Running: {instances}")
            infos = [home.info(instance["id"]) for instance in instances]
            for what, values in (("names", [info["name"] for info in infos]),
                                 ("MACs", [info["endpoints"][0]["mac"] for info in infos]),
                                 ("ports", [info["endpoints"][0]["publish"][0]["host_port"] for info in infos]),
                                 ("VMMs", [info["vmm_pid"] for info in infos])):
                check(len(set(values)) == AT_ONCE, f"{what} collide: {sorted(values)}")
            check_nothing_half_there(home)
            succeed(home, [home.begin("delete", "--purge", info["name"], "--force") for info in infos])
        observer.check()
        check(home.list() == [], f"not deleted: {home.list()}")
        home.check_no_process_left()
        home.run("launch", "with-disk", "--name", "last", "--memory", "16M", "--network", "none")
        home.run("delete", "--purge", "last", "--force")  # collects what a deletion had to leave to another one
        left = home.files() - before - {"names.lock", "disks.lock"}
        check(not left, f"files are left: {sorted(left)}")
        print(f"  {observer.answers} answers of list and info meanwhile")


def one_name_at_once():
    """Four launches of one name: one wins, the others say already_exists and leave nothing."""
    with Home() as home:
        home.import_tiny("with-disk", disk=True)
        arguments = ["launch", "with-disk", "--name", "only", "--memory", "16M", "--network", "none", "--format", "json"]
        results = [home.finish(child) for child in [home.begin(*arguments) for _ in range(4)]]
        won = [result for result in results if result.code == 0]
        check(len(won) == 1, f"{len(won)} launches of one name succeeded")
        for result in results:
            check(result.code == 0 or result.kind() in ("already_exists", "busy"), str(result))
        check(len(home.list()) == 1 and len(processes.vmms()) == 1, f"list: {home.list()}")
        check_nothing_half_there(home)
        home.run("delete", "--purge", "only", "--force")
        home.check_no_process_left()


def opposite_commands_at_once():
    """stop, start, delete and info of one instance at the same time: each answers, one order or another is what happened."""
    with Home() as home:
        home.import_tiny("with-disk", disk=True)
        for _ in range(3):
            home.run("launch", "with-disk", "--name", "guest", "--memory", "16M", "--network", "none")
            commands = (["stop", "guest", "--force"], ["start", "guest"], ["stop", "guest", "--force"], ["delete", "guest", "--force"])
            with Observer(home, "guest") as observer:
                children = [home.begin(*command, "--format", "json") for command in commands]
                results = [home.finish(child) for child in children]
            observer.check()
            for result in results:
                check(result.code == 0 or result.kind() in ("not_found", "busy", "invalid_state"), str(result))
            check(results[-1].code == 0 or results[-1].kind() == "busy", f"delete: {results[-1]}")
            home.run("delete", "--purge", "guest", "--force", ok=False)
            check(home.list() == [], f"not deleted: {home.list()}")
            gone = processes.until(lambda: not processes.vmms(), seconds(3))
            check(gone, f"a VMM without an instance: {list(map(str, processes.vmms()))}")
            check_disks(home)
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(generated_names_at_once, one_name_at_once, opposite_commands_at_once)
