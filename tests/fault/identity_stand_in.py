#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands in for libexec/anyvisor/identity where faults are tried many times: libguestfs takes seconds a launch.

It knows two items, at fixed places of the disk (SLOTS), and writes them with qemu-io. With ANYVISOR_STAND_IN_HOLD naming a file it
first writes half of its work, makes that file, and waits until it is gone.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time

# unit: path, text, length, position; the second crosses from one cluster of 64 KiB to the next.
SLOTS = {
    "machine-id": ("/etc/machine-id", "{machine-id}\n", 33, 0x20010),
    "hostname": ("/etc/hostname", "{hostname}\n", 64, 0x50000 - 20),
}


def write(disk, position, content):
    with tempfile.NamedTemporaryFile() as file:
        file.write(content.encode())
        file.flush()
        subprocess.run(["qemu-io", "-t", "unsafe", "-f", disk["format"], "-c", f"write -s {file.name} {position} {len(content)}",
                        disk["path"]], check=True, stdout=subprocess.DEVNULL)


def hold():
    path = os.environ.get("ANYVISOR_STAND_IN_HOLD")
    if path:
        with open(path, "w", encoding="utf-8"):
            pass
        while os.path.exists(path):
            time.sleep(0.005)


def change(request):
    """The slots, as written."""
    slots = []
    for unit, (path, text, length, position) in SLOTS.items():
        if unit in request["skip"]:
            continue
        if request["action"] == "generalize":
            content = secrets.token_hex(length)[:length - 1] + "\n"
            slots.append({"unit": unit, "path": path, "text": text, "placeholder": content, "length": length, "position": position, "distrust": ""})
        else:
            content = text.replace("{machine-id}", request["variables"]["machine-id"]).replace("{hostname}", request["variables"]["hostname"]).ljust(length, "\n")
        write(request["disk"], position, content)
        hold()
    return slots


def main():
    request = json.load(sys.stdin)
    if request["action"] == "list":
        json.dump({"units": [{"name": unit, "summary": path} for unit, (path, *_) in SLOTS.items()]}, sys.stdout)
        return
    slots = [] if request["action"] == "describe" else change(request)
    actions = [{"unit": unit, "what": "write", "path": path, "reason": ""} for unit, (path, *_) in SLOTS.items()]
    json.dump({"system": {}, "actions": actions, "slots": slots}, sys.stdout)


if __name__ == "__main__":
    main()
