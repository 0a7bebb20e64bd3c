#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The whole life of a tiny guest by the CLI: import, launch, counter, stop, start, delete. The accelerator's answer is cached."""

import time

from rows import print_row, repetitions
from harness import console, suite
from harness.home import Home


def wait_for_counter(home, name):
    limit = time.monotonic() + 30
    while len(console.last_run(home.console(name))) < 2:
        suite.check(time.monotonic() < limit, "the guest says nothing")


def one_life(home, turn):
    image, name = f"image-{turn}", f"guest-{turn}"
    begin = time.monotonic()
    home.import_tiny(image)
    home.launch(name, image=image)
    wait_for_counter(home, name)
    home.run("stop", name, "--force")
    home.run("start", name)
    wait_for_counter(home, name)
    home.run("delete", "--purge", name, "--force")
    elapsed = time.monotonic() - begin
    home.run("image", "remove", image)
    return elapsed


def main():
    count = repetitions(10)
    with Home() as home:
        one_life(home, "warm-up")
        print_row("import, launch, count, stop, start, delete", [one_life(home, turn) for turn in range(count)], target_ms=3000)


if __name__ == "__main__":
    main()
