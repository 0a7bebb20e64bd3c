# SPDX-License-Identifier: MIT
"""A real guest that writes to a database goes into standby and comes back, three times: nothing is lost, and its clock is right."""

import time

from guest import debian_seed_checks
from harness import processes
from harness.suite import check, seconds

ASLEEP = 4  # seconds; the clock of a guest that nobody tells stays behind by so much
WRITER = """
import os, sqlite3, time
database = sqlite3.connect("/var/tmp/count.db", isolation_level=None)
database.execute("create table if not exists numbers (n integer primary key)")
number = 0                                   # nowhere but in this process
while True:
    number += 1
    database.execute("insert into numbers values (?)", (number,))
    time.sleep(0.02)
"""
READER = """
import sqlite3
database = sqlite3.connect("/var/tmp/count.db")
print(*database.execute("select count(*), max(n) from numbers").fetchone(), *database.execute("pragma integrity_check").fetchone())
"""


def read(guest):
    """How far the writer has come, with every number there."""
    count, highest, integrity = guest.says(f"sudo python3 -c '{READER}'").split()
    check(integrity == "ok" and count == highest, f"the database: {count} rows, the highest {highest}, {integrity}")
    return int(count)


def clock_is_right(guest):
    """Within a second and a half: asking takes its time in emulation."""
    before = time.time()
    said = float(guest.says("date +%s.%N"))
    check(before - 1.5 < said < time.time() + 1.5, f"the guest's clock is {said - time.time():+.1f} s off")


def three_rounds_with_a_writer(home, guest):
    guest.says(f"echo '{WRITER}' >/tmp/writer.py && sudo systemd-run --quiet --unit writer python3 /tmp/writer.py")
    check(processes.until(lambda: guest.ssh("test -s /var/tmp/count.db").code == 0, seconds(30)), "the writer writes nothing")
    boot, count = guest.says("cat /proc/sys/kernel/random/boot_id"), 0
    for options in ((), (), ("--no-durable",)):
        took = home.run("standby", guest.name, *options, limit=120).elapsed
        time.sleep(ASLEEP)
        woken = home.run("restore", guest.name, "--wait", "ssh", "--explain", limit=120)
        check("guest clock" in woken.err, f"nobody has set its clock: {woken}")
        now = debian_seed_checks.Guest(home, guest.name)
        clock_is_right(now)
        check(now.says("cat /proc/sys/kernel/random/boot_id") == boot, "it has booted again")
        before, count = count, read(now)
        check(count > before, f"the writer stands still at {count}")
        check(processes.until(lambda now=now, seen=count: read(now) > seen, seconds(20)), f"the writer stands still at {count}")
        print(f"    standby {' '.join(options)}: {took:.1f} s; {home.info(guest.name)['restored_us'] / 1000:.0f} ms to running, "
              f"{woken.elapsed:.1f} s to ssh and clock")
    guest.says("sudo systemctl stop writer; sudo dmesg | tail -n 20 >/dev/null; ! systemctl is-failed --quiet writer")


ALL = (three_rounds_with_a_writer,)
