#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cloud Hypervisor from request to Running: the plugin, and the same calls made by curl, in turns.

The plugin: machine.create and machine.boot of a plugin-host that is there. curl: the same program is started with an API socket by path
and asked for vmm.ping, vm.create and vm.boot, a curl each, with the config that the plugin has sent. The tiny guest, one processor.

backends.py --beside-qemu: QEMU and Cloud Hypervisor in turns, both by their plugins under KVM, to Running and to the guest's first line. For
a place where KVM works, such as the rig, whose times mean nothing: only the ratios do.
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


def ground(stage, folder, name, settings):
    """What machines of one backend stand on, in a folder of its own."""
    own = pathlib.Path(folder, name[0])  # the paths of sockets below it are short enough then
    own.mkdir()
    options = types.SimpleNamespace(time_factor=5, settings=settings, guest=None, plugin=stage / f"lib/anyvisor/plugins/anyvisor-{name}.so",
                                    plugin_host=stage / "libexec/anyvisor/plugin-host")
    subject = Subject(options, str(own))
    for step in (steps_life.load_and_negotiation, steps_life.capability_report):
        step(subject)
    return subject


def beside_curl(stage, folder, program, count):
    if not shutil.which("curl"):
        print("SKIPPED: no curl")
        sys.exit(suite.SKIP_CODE)
    subject = ground(stage, folder, "cloud-hypervisor", {"binary": program, "accelerator": "kvm"})
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


def beside_qemu(stage, folder, program, count):
    subjects = {"QEMU": ground(stage, folder, "qemu", {"accelerator": "kvm"}),
                "Cloud Hypervisor": ground(stage, folder, "cloud-hypervisor", {"binary": program, "accelerator": "kvm"})}
    running, speaking = ({name: [] for name in subjects} for _ in range(2))
    for number in range(count + 1):
        for name, subject in subjects.items():
            with Machine(subject) as machine:
                machine.attach()
                begin = time.monotonic()
                by_plugin(machine)
                runs = time.monotonic() - begin
                while not machine.count():
                    time.sleep(0.001)
                if number > 0:
                    running[name].append(runs)
                    speaking[name].append(time.monotonic() - begin)
                machine.terminate()
    for what, times in (("request to Running", running), ("request to the guest's first line", speaking)):
        medians = [print_row(f"{name} under KVM: {what}", times[name]) for name in subjects]
        print(f"QEMU to Cloud Hypervisor, {what}: {medians[0] / medians[1]:.2f}")


def main():
    program = os.environ.get("ANYVISOR_TEST_CLOUD_HYPERVISOR") or shutil.which("cloud-hypervisor")
    if not program:
        print("SKIPPED: no Cloud Hypervisor (ANYVISOR_TEST_CLOUD_HYPERVISOR names one)")
        sys.exit(suite.SKIP_CODE)
    stage = pathlib.Path(suite.program("ANYVISOR_CLI")).resolve().parents[1]
    compare = beside_curl
    if "--beside-qemu" in sys.argv:
        sys.argv.remove("--beside-qemu")
        compare = beside_qemu
    with tempfile.TemporaryDirectory(prefix="anyvisor-backends-") as folder:
        compare(stage, folder, os.path.abspath(program), repetitions(20))


if __name__ == "__main__":
    main()
