#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cloud Hypervisor from request to Running: the plugin, and the same calls made by curl, in turns.

The plugin: machine.create and machine.boot of a plugin-host that is there. curl: the same program is started with an API socket by path
and asked for vmm.ping, vm.create and vm.boot, a curl each, with the config that the plugin has sent. The tiny guest, one processor.
Exit 77 where ANYVISOR_TEST_CLOUD_HYPERVISOR and PATH name no program.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import types

from rows import print_row, repetitions
from harness import suite

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sdk/conformance"))
import steps_life  # noqa: E402
from machines import Machine  # noqa: E402
from subject import Subject  # noqa: E402


def curl(socket, action, body=None):
    command = ["curl", "--silent", "--show-error", "--fail", "--unix-socket", socket]
    command += ["-X", "PUT"] if action.startswith("vm.") and action != "vm.info" else []
    command += ["-H", "Content-Type: application/json", "-d", body] if body else []
    return subprocess.run(command + [f"http://localhost/api/v1/{action}"], check=True, capture_output=True, text=True).stdout


def by_plugin(machine):
    begin = time.monotonic()
    machine.create()
    machine.boot()
    return time.monotonic() - begin


def by_curl(program, folder, config):
    """Seconds, with a VMM that is started, asked as soon as its socket is there, and ended."""
    socket = str(folder / "curl.sock")
    with open(os.devnull, "r+b") as null:
        begin = time.monotonic()
        vmm = subprocess.Popen([program, "--api-socket", f"path={socket}", "--seccomp", "true", "--no-shutdown"], stdin=null,
                               stdout=null, stderr=null)
        try:
            while not os.path.exists(socket):
                time.sleep(0.0005)
            curl(socket, "vmm.ping")
            curl(socket, "vm.create", config)
            curl(socket, "vm.boot")
            return time.monotonic() - begin
        finally:
            vmm.kill()
            vmm.wait()
            pathlib.Path(socket).unlink(missing_ok=True)


def main():
    count = repetitions(20)
    program = os.environ.get("ANYVISOR_TEST_CLOUD_HYPERVISOR") or shutil.which("cloud-hypervisor")
    if not program or not shutil.which("curl"):
        print("SKIPPED: no Cloud Hypervisor (ANYVISOR_TEST_CLOUD_HYPERVISOR names one), or no curl")
        sys.exit(suite.SKIP_CODE)
    stage = pathlib.Path(suite.program("ANYVISOR_CLI")).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="anyvisor-backends-") as folder:
        options = types.SimpleNamespace(time_factor=5, settings={"binary": os.path.abspath(program)}, guest=None,
                                        plugin=stage / "lib/anyvisor/plugins/anyvisor-cloud-hypervisor.so",
                                        plugin_host=stage / "libexec/anyvisor/plugin-host")
        subject = Subject(options, folder)
        for step in (steps_life.load_and_negotiation, steps_life.capability_report):
            step(subject)
        plugin, plain = [], []
        for number in range(count + 1):
            with Machine(subject) as machine:
                machine.attach()
                seconds = by_plugin(machine)
                info = json.loads(curl(str(machine.folder / "api.sock"), "vm.info"))
                machine.terminate()
            kept = {name: value for name, value in info["config"].items()
                    if name in ("cpus", "memory", "payload", "rng", "serial", "console", "landlock_enable", "landlock_rules")}
            kept["landlock_rules"] = [{"path": folder, "access": "rw"}] if kept.get("landlock_enable") else None
            other = by_curl(program, pathlib.Path(folder), json.dumps(kept))
            if number > 0:  # the first pair warms the caches, and the plugin asks the program for its version once
                plugin.append(seconds)
                plain.append(other)
    ours = print_row("Cloud Hypervisor: plugin, request to Running", plugin)
    theirs = print_row("Cloud Hypervisor: the same calls by curl", plain)
    print(f"plugin to curl: {ours / theirs:.2f} (target: at most 1.1)")


if __name__ == "__main__":
    main()
