#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Load and negotiation of one plugin, without the process start.

A plugin-host is started with no plugin and with one, in turns; the time runs from its start to its answer to `plugins`, which
comes when all are loaded. The difference of the medians is what the plugin costs.
"""

import glob
import json
import os
import socket
import statistics
import time

from rows import print_row, repetitions
from harness import suite


def ask_for_plugins(program, files):
    """Seconds from the plugin-host's start to its list of plugins, and the list."""
    ours, theirs = socket.socketpair()
    argv = [program, "--connection", "3"]
    for file in files:
        argv += ["--plugin", file]
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    if theirs.fileno() == 3:
        os.set_inheritable(3, True)
    else:
        actions.append((os.POSIX_SPAWN_DUP2, theirs.fileno(), 3))
    begin = time.monotonic()
    pid = os.posix_spawn(program, argv, {"PATH": os.environ["PATH"]}, file_actions=actions)
    theirs.close()
    with ours, ours.makefile("rw", encoding="utf-8") as wire:
        hello = json.loads(wire.readline())["hello"]
        wire.write(json.dumps({"hello": {name: value for name, value in hello.items() if name != "pid"}}) + "\n")
        wire.write('{"id":1,"method":"plugins","params":{},"deadline_ms":30000}\n')
        wire.flush()
        answer = json.loads(wire.readline())
        elapsed = time.monotonic() - begin
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # the reaper was faster
    return elapsed, answer["result"]["plugins"]


def main():
    count = repetitions(60)
    stage = os.path.dirname(os.path.dirname(suite.program("ANYVISOR_CLI")))
    program = os.path.join(stage, "libexec", "anyvisor", "plugin-host")
    plugins = sorted(glob.glob(os.path.join(stage, "lib", "**", "anyvisor", "plugins", "anyvisor-*.so"), recursive=True))
    suite.check(plugins, "no plugin was built")
    times = {file: [] for file in [None, *plugins]}
    for _ in range(count):
        for file in times:
            elapsed, answer = ask_for_plugins(program, [file] if file else [])
            suite.check(all("error" not in plugin for plugin in answer) and len(answer) == bool(file), f"answer: {answer}")
            times[file].append(elapsed)
    print_row("plugin-host, no plugin: start to answer", times[None])
    for file in plugins:
        print_row(f"plugin-host with {os.path.basename(file)}", times[file])
    for file in plugins:
        cost = (statistics.median(times[file]) - statistics.median(times[None])) * 1000
        print(f"load and negotiation of {os.path.basename(file)}: {cost:.2f} ms (target: at most 2 ms)")


if __name__ == "__main__":
    main()
