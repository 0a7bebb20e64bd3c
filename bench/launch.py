#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Launch of the tiny guest to its first console line, beside plain QEMU with the same devices, in interleaved pairs.

The accelerator's answer is cached, as it is for everybody but the very first launch on a machine.
"""

import glob
import os
import statistics

from plain_qemu import PlainQemu, wait_for_line
from rows import print_row, repetitions
from harness import suite
from harness.home import Home


def launch_to_first_line(home, image, name):
    """Seconds from the CLI's exec to the first line, and until the CLI has ended."""
    before = set(glob.glob(os.path.join(home.path, "instances", "*")))
    child = home.begin("launch", image, "--name", name, "--memory", "32M", "--network", "none")
    log = None
    while not log:
        new = set(glob.glob(os.path.join(home.path, "instances", "*"))) - before
        log = os.path.join(new.pop(), "logs", "console.log") if new else None
        suite.check(log or not child.ended(), "launch failed")
    to_line = wait_for_line(log, child.begin, 30)
    result = home.finish(child)
    suite.check(result.code == 0, str(result))
    return to_line, result.elapsed


def compare(home, image, count, target_ms):
    launch_to_first_line(home, image, "model")
    info = home.info("model")
    plain = PlainQemu(info["vmm_pid"], home.folder(info), os.path.join(home.base, "plain-" + image))
    home.run("stop", "model", "--force")
    ours, returned, bare = [], [], []
    for turn in range(count):
        to_line, whole = launch_to_first_line(home, image, f"guest-{turn}")
        ours.append(to_line)
        returned.append(whole)
        home.run("delete", "--purge", f"guest-{turn}", "--force")
        bare.append(plain.time_to_first_line())
    print_row(f"{image}: plain QEMU to the first line", bare)
    median = print_row(f"{image}: launch to the first line", ours)
    print_row(f"{image}: launch to its return", returned)
    target = f" (target: at most {target_ms} ms)" if target_ms else ""
    print(f"{image}: difference of the medians {median - statistics.median(bare) * 1000:.1f} ms{target}", flush=True)
    home.run("delete", "--purge", "model", "--force")


def main():
    count = repetitions(20)
    with Home() as home:
        home.import_tiny("tiny")
        home.import_tiny("with-disk", disk=True)
        compare(home, "tiny", count, target_ms=60)
        compare(home, "with-disk", count, target_ms=None)


if __name__ == "__main__":
    main()
