#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Debian image that cannot be built: no mmdebstrap, no archive, no space. One clear message each, and nothing left behind."""

import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check  # noqa: E402


def refused(home, code, kind, message, hint, env):
    """Launch and import say the same; once for people, once for programs."""
    result = home.run("launch", "debian:bookworm", "--backend", "qemu", env=env, ok=False, limit=60)
    lines = result.err.strip().splitlines()
    check(result.code == code and len(lines) <= 3, f"more than three lines, or not exit code {code}: {result}")
    check(message in lines[0] and any(line.startswith("hint: ") and hint in line for line in lines), str(result))
    again = home.run("image", "import", "debian:bookworm", "--format", "json", env=env, ok=False, limit=60)
    check(again.kind() == kind and message in again.err, str(again))
    check(home.json("image", "list") == {"images": []}, "an image came out of it")
    check(not os.listdir(os.path.join(home.path, "disks")) and not os.listdir(os.path.join(home.path, "staging")), "something is left")
    left = [name for name in (os.listdir(home.cache) if os.path.isdir(home.cache) else []) if not name.endswith((".lock", ".log"))]
    check(not left, f"left in the cache: {left}")
    home.check_no_process_left()
    print(result.err.strip())


class HomeWithCache(Home):
    def __init__(self):
        super().__init__()
        self.cache = os.path.join(self.base, "debian-cache")

    def environment(self, extra=None):
        return super().environment({"ANYVISOR_DEBIAN_CACHE": self.cache, **(extra or {})})


def no_mmdebstrap():
    with HomeWithCache() as home:
        empty = os.path.join(home.base, "empty")
        os.mkdir(empty)
        refused(home, 9, "unavailable", "mmdebstrap is not installed", "apt install mmdebstrap", {"PATH": empty})
        findings = home.json("doctor", env={"PATH": empty}, ok=False)["findings"]
        finding = [finding for finding in findings if finding["subject"] == "debian-images mmdebstrap"]
        check(finding and not finding[0]["ok"] and finding[0]["remedy"].startswith("apt install mmdebstrap"), f"{findings}")


def no_archive():
    with HomeWithCache() as home, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        mirror = f"http://127.0.0.1:{closed.getsockname()[1]}/debian"
        refused(home, 9, "unavailable", f"{mirror} cannot be reached", "ANYVISOR_DEBIAN_MIRROR", {"ANYVISOR_DEBIAN_MIRROR": mirror})


def no_space():
    if os.geteuid() != 0:
        raise Skip("needs root, for a small file system of its own")
    with HomeWithCache() as home:
        os.mkdir(home.cache)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", home.cache], check=True)
        try:
            refused(home, 11, "exhausted", "are free in", "ANYVISOR_DEBIAN_CACHE", {})
        finally:
            subprocess.run(["umount", home.cache], check=True)


if __name__ == "__main__":
    sys.exit(suite.main(no_mmdebstrap, no_archive, no_space))
