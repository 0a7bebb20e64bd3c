#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest's whole life by the CLI: import, launch, the console's counter, stop, start, delete; afterwards nothing is left."""

import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, processes, suite  # noqa: E402
from harness.home import Home, port_is_free  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def wait_for_count(home, name, above):
    """Waits until the guest's counter is above `above`; returns the number of lines since its start."""
    reached = processes.until(lambda: len(console.last_run(home.console(name))) > above, seconds(20))
    check(reached, f"the counter stays at or below {above}: {home.console(name)[-200:]!r}")
    return console.check_no_hole(home.console(name))


def check_running(home, name):
    info = home.info(name)
    check(info and info["state"] == "Running", f"not Running: {info}")
    pid = info["vmm_pid"]
    vmm = [process for process in processes.vmms() if process.pid == pid]
    check(len(vmm) == 1, f"vmm_pid {pid} is no VMM of this test; there are: {list(map(str, processes.vmms()))}")
    for field in ("created", "started"):
        check(TIME.match(info[field]), f"{field} is no time: {info[field]!r}")
    for field in ("accelerator", "vmm_name", "vmm_version", "machine_type", "id", "short_id", "backend"):
        check(info[field], f"{field} is empty: {info}")
    check(info["id"].replace("-", "").endswith(info["short_id"]), f"short_id is not the end of id: {info}")
    check(info["name"] == name and info["image"] == "tiny" and info["memory"] == 32 << 20 and info["cpus"] == 1,
          f"the spec is not what was asked for: {info}")
    check(not info["has_saved_memory"] and not info["state_error"] and not info["intent"], f"unexpected: {info}")
    return info


def check_stopped(home, name):
    info = home.info(name)
    check(info and info["state"] == "Stopped", f"not Stopped: {info}")
    check(info["vmm_pid"] == 0 and TIME.match(info["stopped"]), f"stopped, and yet: {info}")
    check(info["started"] <= info["stopped"], f"stopped before it started: {info}")
    check(not processes.vmms(), "a VMM runs on: " + ", ".join(map(str, processes.vmms())))
    return info


def check_nothing_left(home, before, words):
    home.check_no_process_left()
    left = home.files() - before - {"names.lock", "disks.lock"}
    check(not left, f"files are left: {sorted(left)}")
    check(not (before - home.files()), f"files have vanished: {sorted(before - home.files())}")
    check(not os.listdir(home.temporary), f"temporary files are left: {os.listdir(home.temporary)}")
    for word in words:
        check(not home.mentions(word), f"{word} is still mentioned in {home.mentions(word)}")


def whole_life():
    with Home() as home:
        times = {}

        def timed(what, result):
            times[what] = result.elapsed

        timed("import", home.import_tiny())
        home.launch("warm-up")  # fills the caches: the accelerator's probe is not what is measured
        home.run("delete", "--purge", "warm-up", "--force")
        before = home.files()

        begin = time.monotonic()
        timed("launch", home.launch("guest"))
        check(home.names() == ["guest"], f"list: {home.list()}")
        first = check_running(home, "guest")
        counted = wait_for_count(home, "guest", 3)
        wait_for_count(home, "guest", counted)
        timed("stop", home.run("stop", "guest", "--force"))
        check_stopped(home, "guest")
        timed("start", home.run("start", "guest"))
        second = check_running(home, "guest")
        check(second["created"] == first["created"] and second["started"] > first["started"], f"times: {first} {second}")
        again = processes.until(lambda: home.console("guest").count("00000001\n") == 2, seconds(20))
        check(again, f"the guest does not count from 1 again: {home.console('guest')[-200:]!r}")
        wait_for_count(home, "guest", 3)
        timed("delete", home.run("delete", "--purge", "guest", "--force"))
        times["launch to delete"] = time.monotonic() - begin
        check(home.info("guest") is None and home.list() == [], "it is still listed")
        check_nothing_left(home, before, [first["id"]])
        print("  " + ", ".join(f"{what} {value * 1000:.0f} ms" for what, value in times.items()))


def published_port_and_disk():
    with Home() as home:
        home.import_tiny(disk=True)
        before = home.files()
        home.launch("guest", "--publish", "0:80", network="user")
        endpoints = home.info("guest")["endpoints"]
        check(len(endpoints) == 1 and len(endpoints[0]["publish"]) == 1, f"endpoints: {endpoints}")
        port, mac = endpoints[0]["publish"][0]["host_port"], endpoints[0]["mac"]
        check(endpoints[0]["publish"][0]["guest_port"] == 80 and port > 0, f"endpoints: {endpoints}")
        check(re.match(r"([0-9a-f]{2}:){5}[0-9a-f]{2}$", mac), f"no MAC: {mac!r}")
        check(not port_is_free(port), f"nobody listens on the published port {port}")
        wait_for_count(home, "guest", 2)

        home.run("stop", "guest", "--force")
        check(port_is_free(port), f"port {port} is still taken after stop")
        home.run("start", "guest")
        again = home.info("guest")["endpoints"][0]
        check(again["mac"] == mac, f"the MAC has changed: {mac} {again}")
        check(not port_is_free(again["publish"][0]["host_port"]), f"not published after start: {again}")

        refused = home.run("delete", "--purge", "guest", "--format", "json", ok=False)
        check(refused.code != 0 and refused.kind() == "invalid_state", f"a running guest was deleted: {refused}")
        home.run("delete", "--purge", "guest", "--force")
        check(port_is_free(port) and port_is_free(again["publish"][0]["host_port"]), "a port is still taken after delete")
        check_nothing_left(home, before, [mac])


def failed_launch_leaves_nothing():
    with Home() as home:
        home.import_tiny()
        home.launch("first", "--publish", "0:80", network="user")
        taken = home.info("first")["endpoints"][0]["publish"][0]["host_port"]
        before = home.files()
        result = home.run("launch", "tiny", "--name", "second", "--memory", "32M", "--publish", f"{taken}:80",
                          "--format", "json", ok=False)
        check(result.code != 0 and str(taken) in result.err + result.out, f"a taken port was published: {result}")
        result = home.launch("first", "--format", "json", ok=False)
        check(result.kind() == "already_exists", f"one name twice: {result}")
        left = home.files() - before
        check(not left, f"files are left: {sorted(left)}")
        check(home.names() == ["first"] and len(processes.vmms()) == 1, f"list: {home.list()}")
        home.run("delete", "--purge", "first", "--force")
        home.check_no_process_left()


def guest_powers_itself_off():
    with Home() as home:
        kernel = os.path.join(os.path.dirname(suite.program("ANYVISOR_TINY_GUEST")), "poweroff.elf")
        home.run("image", "import", "--kernel", kernel, "--name", "poweroff")
        home.launch("guest", image="poweroff")

        def is_off():
            return home.info("guest")["state"] in ("Shutdown", "Stopped")

        check(processes.until(is_off, seconds(10)), f"the guest is off, and yet: {home.info('guest')}")
        lines = home.console("guest").count("\n")
        check(lines == 1, f"its console: {home.console('guest')!r}")
        home.run("start", "guest")
        check(processes.until(lambda: home.console("guest").count("\n") == 2, seconds(10)), "it did not start again")
        check(processes.until(is_off, seconds(10)), f"the guest is off again, and yet: {home.info('guest')}")
        result = home.run("stop", "guest")
        check(result.elapsed < seconds(5), f"stopping a guest that is off took {result.elapsed:.1f} s")
        check_stopped(home, "guest")
        home.run("delete", "--purge", "guest")
        home.check_no_process_left()


def interrupted_stop():
    """Ctrl-C while `stop` waits for a guest that does not listen: at once, exit code 130, and the guest runs on."""
    with Home() as home:
        home.import_tiny()
        home.launch("Guest-1")
        child = home.begin("stop", "Guest-1", "--timeout", "60")
        waiting = processes.until(lambda: home.info("Guest-1")["intent"] == "stop", seconds(10))
        check(waiting, "stop does not wait for the guest")
        processes.send(child.pid, signal.SIGINT)
        result = home.finish(child, limit=10)
        check(result.code == 130, str(result))
        info = home.info("Guest-1")
        check(info["state"] == "Running" and not info["intent"], f"after an interrupted stop: {info}")
        home.run("delete", "--purge", "Guest-1", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(whole_life, interrupted_stop, published_port_and_disk, guest_powers_itself_off, failed_launch_leaves_nothing)
