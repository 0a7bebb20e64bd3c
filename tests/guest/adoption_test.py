#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests outlive their plugin-host; homes are moved and copied; VMMs die."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import console, locks, processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402


def plugin_host_of(home, info):
    """The plugin-host that has the instance's host.lock open; None when there is none."""
    found = locks.holders(os.path.join(home.folder(info), "host.lock"), processes.plugin_hosts())
    check(len(found) <= 1, f"several plugin-hosts for one instance: {list(map(str, found))}")
    return found[0].pid if found else None


def count(home, name):
    return console.check_no_hole(home.console(name))


def wait_for_more(home, name, than):
    check(processes.until(lambda: count(home, name) > than, seconds(20)), f"{name}: the counter stays at {than}")


def kill_and_wait(pid):
    processes.send(pid, signal.SIGKILL)
    check(processes.until(lambda: not processes.is_alive(pid), 5), f"{pid} survives SIGKILL")


def started(home, *names):
    home.import_tiny()
    for name in names:
        home.launch(name)
        wait_for_more(home, name, 3)
    return [home.info(name) for name in names]


def killed_plugin_hosts():
    """Two guests lose their plugin-hosts; both count on, are adopted, and can be stopped and started."""
    with Home() as home:
        before = started(home, "one", "two")
        hosts = [plugin_host_of(home, info) for info in before]
        check(None not in hosts and len(set(hosts)) == 2, f"plugin-hosts: {hosts}")
        for host in hosts:
            kill_and_wait(host)
        seen = {name: count(home, name) for name in ("one", "two")}
        for name in seen:
            wait_for_more(home, name, seen[name])
        for info in before:
            now = home.info(info["name"])
            check(now["state"] == "Running" and now["vmm_pid"] == info["vmm_pid"], f"not adopted: {now}")
            check(now["started"] == info["started"], f"the time of its start has changed: {now}")
        listed = {info["name"]: info["state"] for info in home.list()}
        check(listed == {"one": "Running", "two": "Running"}, f"list: {listed}")
        # The next changing command has a plugin-host that speaks to the old VMM.
        home.run("start", "one")
        host = plugin_host_of(home, before[0])
        check(host and host not in hosts, f"no new plugin-host adopted the VMM: {host}")
        check(home.info("one")["vmm_pid"] == before[0]["vmm_pid"], "the VMM was replaced, not adopted")
        wait_for_more(home, "one", count(home, "one"))
        for info in before:
            home.run("stop", info["name"], "--force")
            now = home.info(info["name"])
            check(now["state"] == "Stopped" and now["vmm_pid"] == 0, f"not Stopped: {now}")
            check(not processes.is_alive(info["vmm_pid"]), "the adopted VMM runs on")
            home.run("start", info["name"])
            wait_for_more(home, info["name"], 2)
            home.run("delete", "--purge", info["name"], "--force")
        home.check_no_process_left()


def killed_vmm():
    with Home() as home:
        info, = started(home, "guest")
        kill_and_wait(info["vmm_pid"])
        now = home.info("guest")
        check(now["state"] == "Stopped", f"the VMM is dead, and yet: {now}")
        # Its plugin-host was its parent, and soon tells the signal.
        known = processes.until(lambda: home.info("guest")["exit_signal"] == signal.SIGKILL, seconds(5))
        now = home.info("guest")
        check(known and "9" in now["state_reason"] and now["stopped"], f"how it ended is not told: {now}")
        home.run("start", "guest")
        wait_for_more(home, "guest", 2)
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def killed_vmm_without_plugin_host():
    """Nobody can know how it ended; and with a pid 1 that reaps nobody the dead VMM stays a zombie."""
    with Home() as home:
        info, = started(home, "guest")
        kill_and_wait(plugin_host_of(home, info))
        with processes.unreaped():
            kill_and_wait(info["vmm_pid"])
            check(processes.state_of(info["vmm_pid"]) == "Z", "the VMM's zombie was reaped: the test proves nothing")
            now = home.info("guest")
            check(now["state"] == "Stopped" and now["vmm_pid"] == 0, f"the VMM is a zombie, and yet: {now}")
            check(now["exit_code"] == -1 and now["exit_signal"] == 0, f"an exit that nobody can know: {now}")
        home.run("start", "guest")
        wait_for_more(home, "guest", 2)
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def copied_home():
    with Home() as home, Home() as copy:
        info, = started(home, "guest")
        copying = processes.start(["cp", "-a", home.path, copy.path])
        check(copying.wait(seconds(10)) == 0, "cp -a failed")
        copied = copy.info("guest")
        check(copied["state"] == "Stopped" and copied["vmm_pid"] == 0, f"the copy adopted the original's VMM: {copied}")
        host = plugin_host_of(home, info)
        copy.run("start", "guest")
        copied = copy.info("guest")
        check(copied["state"] == "Running" and copied["vmm_pid"] != info["vmm_pid"], f"the copy did not start: {copied}")
        copy.run("delete", "--purge", "guest", "--force")
        check(copy.list() == [], "the copy was not deleted")
        now = home.info("guest")
        check(now["state"] == "Running" and now["vmm_pid"] == info["vmm_pid"], f"the original was touched: {now}")
        check(plugin_host_of(home, info) == host, "the original's plugin-host was touched")
        wait_for_more(home, "guest", count(home, "guest"))
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()



def moved_home():
    with Home() as home:
        info, = started(home, "guest")
        home.run("stop", "guest", "--force")
        check(processes.until(lambda: not processes.plugin_hosts(), seconds(3)), "its plugin-host stays after stop")
        os.rename(home.path, home.path + "-moved")
        home.path += "-moved"
        now = home.info("guest")
        check(now["id"] == info["id"] and now["state"] == "Stopped", f"after the move: {now}")
        home.run("start", "guest")
        wait_for_more(home, "guest", 2)
        # Moved while it runs: still the same folder, by device and inode.
        os.rename(home.path, home.path + "-again")
        home.path += "-again"
        now = home.info("guest")
        check(now["state"] == "Running", f"moved while it ran: {now}")
        home.run("delete", "--purge", "guest", "--force")
        check(home.list() == [], "not deleted")
        home.check_no_process_left()


def long_home_path():
    with Home(long_path=True) as home:
        check(len(home.path) > 200, f"only {len(home.path)} characters")
        info, = started(home, "guest")
        kill_and_wait(plugin_host_of(home, info))
        home.run("start", "guest")
        check(home.info("guest")["vmm_pid"] == info["vmm_pid"], "not adopted")
        home.run("stop", "guest", "--force")
        home.run("delete", "--purge", "guest")
        home.check_no_process_left()


def descriptors_of_the_vmm():
    """What a VMM has open: no lock, nothing of another instance, nothing that the test or the CLI had."""
    with Home() as home:
        one, two = started(home, "one", "two")
        for info, other in ((one, two), (two, one)):
            opened = []
            for entry in os.scandir(f"/proc/{info['vmm_pid']}/fd"):
                try:
                    opened.append(os.readlink(entry.path))
                except OSError:
                    pass  # closed meanwhile
            check(opened, "no descriptor is seen: the test proves nothing")
            print(f"  VMM {info['vmm_pid']}: {len(opened)} descriptors")
            for target in opened:
                name = os.path.basename(target)
                check(not (name == "lock" or name.endswith(".lock")), f"the VMM holds a lock file: {target}")
                check(other["id"] not in target, f"the VMM has a file of another instance open: {target}")
                check(os.path.dirname(target) != home.base, f"the VMM inherited a file of the CLI's: {target}")
        for path in home.lock_files():
            owners = {owner.program() for owner in locks.holders(path, processes.descendants())}
            expected = {"plugin-host"} if path.endswith("host.lock") else set()
            check(owners == expected, f"{path} is open in {owners or 'no process'}")
        home.run("delete", "--purge", "one", "--force")
        home.run("delete", "--purge", "two", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(killed_plugin_hosts, killed_vmm, killed_vmm_without_plugin_host, copied_home, moved_home, long_home_path,
               descriptors_of_the_vmm)
