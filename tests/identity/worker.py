# SPDX-License-Identifier: MIT
"""The identity worker, asked by itself."""

import json
import os

from harness import suite
from harness.suite import Skip, check
from identity import disks, layout

WORKER = os.path.normpath(os.path.join(os.path.dirname(suite.program("ANYVISOR_CLI")), "..", "libexec", "anyvisor", "identity"))
LAUNCH = 300


def ask(folder, disk, action="describe", **more):
    """The worker's reply for an overlay on that disk."""
    overlay, request = os.path.join(folder, "overlay.qcow2"), os.path.join(folder, "request")
    disks.tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", overlay)
    with open(request, "w", encoding="utf-8") as file:
        json.dump({"action": action, "disk": {"path": overlay, "format": "qcow2"}, "emulate": True,
                   "source": {"name": layout.NAME, "macs": [layout.MAC]}, "skip": [], "variables": {}, **more}, file)
    said = disks.tool(WORKER, limit=LAUNCH, ok=(0, 1), stdin=request)
    check(said, f"{WORKER} says nothing")
    reply = json.loads(said)
    if "libguestfs cannot start" in reply.get("error", {}).get("message", ""):
        raise Skip(reply["error"]["message"])
    return reply
