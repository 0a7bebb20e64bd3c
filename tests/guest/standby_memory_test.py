#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a guest holds in its RAM is there after a restore; and what happens while that RAM is being flushed to the disk.

ANYVISOR_STANDBY_ROUNDS: how many rounds in a row (3).
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pages, processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

ROUNDS = int(os.environ.get("ANYVISOR_STANDBY_ROUNDS", "3"))
FILLED = 24 * 256  # pages: 24 of 64 MiB
FLUSHED = 200 * 256


def launch(home, memory, filled):
    pages.import_image(home)
    home.run("launch", "pages", "--name", "guest", "--memory", memory, "--network", "none")
    guest = pages.Pages(home, "guest")
    guest.fill(filled)
    return guest


def what_it_held():
    """Round after round, with pages that are as before and with new ones, durable and not."""
    with Home() as home:
        guest = launch(home, "64M", FILLED)
        for turn in range(ROUNDS):
            home.run("standby", "guest", *(["--no-durable"] if turn % 3 == 2 else []))
            home.run("restore", "guest")
            guest.check(FILLED)
            guest.goes_on()
            home.run("standby", "guest")
            home.run("restore", "guest")
            guest.check(FILLED)
            guest.fill(FILLED)
        guest.check(FILLED)
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def spoilt_memory_is_seen():
    """The check can fail: one byte of the RAM is changed while it sleeps. That is not refused, as RAM is not hashed."""
    with Home() as home:
        guest = launch(home, "64M", FILLED)
        home.run("standby", "guest")
        with open(os.path.join(home.folder(home.info("guest")), "saved", "memory"), "r+b") as file:
            file.seek((20 << 20) + 17)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 4]))
        home.run("restore", "guest")
        check(guest.ask("v", "spoilt") == 1, "a changed byte is not seen")
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def half_flushed(home):
    """A standby in the middle of its flush: the command."""
    command = home.begin("standby", "guest")
    folder = os.path.join(home.folder(home.info("guest")), "saved")
    begun = processes.until(lambda: os.path.exists(os.path.join(folder, "memory.new")) or command.ended(), seconds(20),
                            pause=0.001)
    check(begun and not command.ended(), "the flush was over before it was seen")
    return command


def ended_while_it_flushes():
    """The guest goes on, whoever is killed, and whoever presses Ctrl-C; only its own VMM's death ends it."""
    with Home() as home:
        guest = launch(home, "256M", FLUSHED)
        for victim in ("plugin-host", "anyvisor", "Ctrl-C"):
            command = half_flushed(home)
            begin = time.monotonic()
            home.list()
            info = home.info("guest")
            took = time.monotonic() - begin
            if victim == "Ctrl-C":
                processes.send(command.pid, signal.SIGINT)
            elif victim == "anyvisor":
                processes.send(command.pid, signal.SIGKILL)
            else:
                for process in processes.plugin_hosts():
                    processes.send(process.pid, signal.SIGKILL)
            result = home.finish(command)
            check(result.code != 0, f"{victim}: {result}")
            check(info["state"] == "Paused" and info["intent"] == "standby", f"while it flushes: {info}")
            # A flush that was over all the same has given its file the name under which the next save finds it.
            saved = os.path.join(home.folder(info), "saved")
            flushed = {"memory"}.intersection(os.listdir(saved))
            home.run("start", "guest")  # finishes or undoes; it runs then
            info = home.info("guest")
            check(info["state"] == "Running" and not info["intent"], f"{victim}: {info}")
            left = set(os.listdir(saved))
            check(left == flushed, f"{victim}: left in saved/: {left}, after the flush {flushed}")
            guest.check(FLUSHED)
            guest.goes_on()
            print(f"  {victim}: it goes on; list and info took {took * 1000:.0f} ms while it flushed")
        home.run("standby", "guest")
        home.run("restore", "guest")
        guest.check(FLUSHED)
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


def vmm_dies_while_it_flushes():
    with Home() as home:
        launch(home, "256M", FLUSHED)
        command = half_flushed(home)
        for process in processes.vmms():
            processes.send(process.pid, signal.SIGKILL)
        # The plugin-host has the memory in its hands, so that the state may become whole all the same.
        result = home.finish(command)
        info = home.info("guest")
        check(info["state"] in ("Stopped", "Standby"), f"{result}\n{info}")
        check((info["state"] == "Standby") == (result.code == 0), f"{result}\n{info}")
        home.run("start", "guest")
        check(home.info("guest")["state"] == "Running", f"{home.info('guest')}")
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(what_it_held, spoilt_memory_is_seen, ended_while_it_flushes, vmm_dies_while_it_flushes)
