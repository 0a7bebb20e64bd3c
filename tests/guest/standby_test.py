#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Standby and back: the guest's counter, which is nowhere but in the machine, goes on at exactly the next number.

ANYVISOR_STANDBY_ROUNDS: how many rounds in a row (10).
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, processes, suite  # noqa: E402
from harness.home import Home, port_is_free  # noqa: E402
from harness.points import Point, Stop, resume  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

ROUNDS = int(os.environ.get("ANYVISOR_STANDBY_ROUNDS", "10"))


def count(home, name="guest"):
    """How far it has counted since it was launched, without a hole and without a second start."""
    text = home.console(name)
    check(text.count("00000001\n") <= 1, f"it has started again: {text[-400:]!r}")
    return console.check_no_hole(text)


def goes_on(home, name="guest"):
    before = count(home, name)
    check(processes.until(lambda: count(home, name) > before + 2, seconds(20)), f"{name} stands still at {before}")


def started(home, *arguments, name="guest", network="none", **options):
    home.launch(name, *arguments, network=network, **options)
    goes_on(home, name)
    return home.info(name)


def saved(home, name="guest"):
    return os.path.join(home.folder(home.info(name)), "saved")


def sleeps(home, name="guest", durable=True):
    info = home.info(name)
    check(info["state"] == "Standby" and info["has_saved_memory"] and info["vmm_pid"] == 0, f"not in standby: {info}")
    check(info["saved"] and info["saved_us"] > 0 and info["saved_durably"] == durable, f"when and how it was saved: {info}")
    check(not info["intent"] and not info["state_error"], f"in standby, and yet: {info}")
    check([one["state"] for one in home.list() if one["name"] == name] == ["Standby"], f"list: {home.list()}")
    return info


def refused(home, *arguments, kind="invalid_state"):
    result = home.run(*arguments, "--format", "json", ok=False)
    check(result.code != 0 and result.kind() == kind, f"not refused as {kind}: {result}")
    return result.err


def round_after_round():
    with Home() as home:
        home.import_tiny(disk=True)
        port = started(home, "--publish", "0:80", network="restricted")["endpoints"][0]["publish"][0]["host_port"]
        times = {"standby": [], "restore": []}
        for turn in range(ROUNDS):
            times["standby"].append(home.run("suspend" if turn % 2 else "standby", "guest").elapsed)
            check(not processes.vmms(), "a VMM runs on")
            stands = count(home)
            check(port_is_free(port), "its port is taken in standby")
            sleeps(home)
            check(count(home) == stands, "it counts in standby")
            times["restore"].append(home.run("start" if turn % 2 else "restore", "guest").elapsed)
            info = home.info("guest")
            check(info["state"] == "Running" and not info["has_saved_memory"] and info["restored"] > info["saved"]
                  and info["restored_us"] > 0, f"after its restore: {info}")
            check(info["endpoints"][0]["publish"][0]["host_port"] == port and not port_is_free(port), f"its port: {info}")
            check(set(os.listdir(saved(home))) == {"memory", "consumed.json"}, f"left: {os.listdir(saved(home))}")
            goes_on(home)
            check(count(home) > stands, "it does not go on")
        print("  " + ", ".join(f"{what}: {sorted(each)[len(each) // 2] * 1000:.0f} ms (median of {len(each)})"
                               for what, each in times.items()))
        home.run("standby", "guest")
        home.run("standby", "guest")  # it is that already
        home.run("stop", "guest", "--force")
        check(home.info("guest")["state"] == "Stopped" and not os.listdir(saved(home)), "stopped by force: its memory is left")
        home.run("delete", "--purge", "guest")
        home.check_no_process_left()


def paused_before():
    with Home() as home:
        home.import_tiny()
        started(home)
        home.run("pause", "guest")
        home.run("standby", "guest")
        sleeps(home)
        home.run("restore", "guest")
        goes_on(home)
        # The file that its RAM is in goes with the machine.
        home.run("stop", "guest", "--force")
        check(not os.listdir(saved(home)), f"left: {os.listdir(saved(home))}")
        refused(home, "restore", "guest")
        refused(home, "standby", "guest")
        home.run("delete", "--purge", "guest")
        home.check_no_process_left()


def not_durable():
    with Home() as home:
        home.import_tiny()
        started(home)
        for _ in range(3):
            home.run("standby", "guest", "--no-durable")
            sleeps(home, durable=False)
            check(set(os.listdir(saved(home))) <= {"device-state", "manifest.json", "consumed.json"},
                  f"its memory is on the disk: {os.listdir(saved(home))}")
            check(not processes.vmms() and len(processes.plugin_hosts()) == 1, "not one plugin-host without a VMM")
            home.run("restore", "guest")
            goes_on(home)
        # From one kind to the other and back.
        home.run("standby", "guest")
        sleeps(home)
        home.run("restore", "guest")
        home.run("standby", "guest", "--no-durable")
        home.run("restore", "guest")
        goes_on(home)
        home.run("standby", "guest", "--no-durable")
        home.run("delete", "--purge", "--force", "guest")  # ends the process that keeps the memory
        check(not home.list(), "not deleted")
        home.check_no_process_left()


def memory_of(home):
    """What the VMM has its RAM in."""
    folder = f"/proc/{home.info('guest')['vmm_pid']}/fd"
    files = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    return sorted({file for file in files if "memfd:anyvisor-guest-ram" in file or file.startswith(home.path) and ("saved/" in file or "/#" in file)})


def memory_in_a_file():
    """By a setting, from the next start on: a standby only flushes it and gives it its name."""
    with Home() as home:
        home.import_tiny()
        refused(home, "set", "--global", "memory.backing=paper", kind="invalid_argument")
        started(home)
        check("memfd" in memory_of(home)[0], f"by default: {memory_of(home)}")
        home.run("stop", "guest", "--force")
        home.run("set", "--global", "memory.backing=file")
        home.run("start", "guest")
        check(len(memory_of(home)) == 1 and "memfd" not in memory_of(home)[0], f"with the setting: {memory_of(home)}")
        check(processes.until(lambda: home.console("guest").count("00000001\n") == 2, seconds(20)), "it does not start")
        for arguments in ((), ("--no-durable",), ()):
            home.run("standby", "guest", *arguments)
            sleeps(home, durable=not arguments)
            before = len(home.console("guest"))
            home.run("restore", "guest")
            check(processes.until(lambda: len(home.console("guest")) > before, seconds(20)), "it stands still")  # pylint: disable=cell-var-from-loop
        console.check_no_hole(home.console("guest"))
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def host_restarts():
    """All processes are gone at once: one that slept durably goes on, one that did not is Stopped and says why."""
    with Home() as home:
        home.import_tiny()
        for name in ("durable", "fleeting", "awake"):
            started(home, name=name)
        home.run("standby", "durable")
        home.run("standby", "fleeting", "--no-durable")
        for process in [*processes.vmms(), *processes.plugin_hosts()]:
            processes.send(process.pid, signal.SIGKILL)
        check(processes.until(lambda: not processes.plugin_hosts() and not processes.vmms(), 5), "who survives?")
        sleeps(home, "durable")
        home.run("restore", "durable")
        goes_on(home, "durable")
        info = home.info("fleeting")
        check(info["state"] == "Stopped" and "--no-durable" in info["state_reason"] and not info["has_saved_memory"],
              f"its memory is lost, and yet: {info}")
        said = refused(home, "restore", "fleeting")
        check("--no-durable" in said and "anyvisor start" in said, f"the refusal: {said}")
        home.run("start", "fleeting")
        check(home.info("fleeting")["state"] == "Running" and not os.listdir(saved(home, "fleeting")), "it has leftovers")
        check(home.info("awake")["state"] == "Stopped", f"{home.info('awake')}")
        home.run("delete", "--purge", "--force", "durable", "fleeting", "awake")
        home.check_no_process_left()


def asked_meanwhile():
    """list and info while a standby is under way."""
    with Home() as home:
        home.import_tiny()
        started(home)
        for point, state in (("standby.publish:before", "Paused"), ("standby.publish:after", "Standby")):
            stop = Stop(Point("anyvisor", point, 1, 0), os.path.join(home.base, "stopped"))
            command = home.begin("standby", "guest", env=stop.env())
            stopped = stop.caught(command)
            begin = time.monotonic()
            info = home.info("guest")
            elapsed = time.monotonic() - begin
            check(info["state"] == state and info["intent"] == "standby", f"at {point}: {info}")
            check(elapsed < seconds(1), f"info took {elapsed:.2f} s")
            home.list()
            resume(stopped)
            check(home.finish(command).code == 0, "standby failed")
            sleeps(home)
            home.run("restore", "guest")
            goes_on(home)
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def what_others_do():
    """The other commands on one that sleeps."""
    with Home() as home:
        home.import_tiny(disk=True)
        started(home)
        home.run("standby", "guest")
        for command in ("pause", "resume", "stop", "prepare", "compact"):
            said = refused(home, command, "guest")
            check("Standby" in said and "anyvisor start guest" in said, f"{command}: {said}")
        sleeps(home)
        answer = home.run("clone", "guest", "--name", "copy", "--identity", "none")
        check("Standby" in answer.err, f"the clone's warning: {answer}")
        info = home.info("copy")
        check(info["state"] == "Stopped" and info["clone_consistency"] == "crash-consistent" and not info["saved"], f"{info}")
        home.run("start", "copy")
        goes_on(home, "copy")
        # Its disk has another top now, with the same in it.
        sleeps(home)
        home.run("restore", "guest")
        goes_on(home)
        home.run("standby", "guest")
        home.run("start", "guest", "--discard-memory")
        check(processes.until(lambda: home.console("guest").count("00000001\n") == 2, seconds(20)), "it has not started afresh")
        check(home.info("guest")["state"] == "Running" and not os.listdir(saved(home)), "its memory is left")
        home.run("standby", "guest")
        refused(home, "delete", "guest")  # its memory would be lost
        home.run("delete", "--purge", "guest", "--force")
        home.run("delete", "--purge", "copy", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(round_after_round, paused_before, not_durable, memory_in_a_file, host_restarts, asked_meanwhile, what_others_do)
