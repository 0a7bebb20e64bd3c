#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where /dev/kvm is there and does not work: found out within a time, and said by doctor, launch and info."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

PROBE_SECONDS = 2.5  # about 2: its limit for KVM is 1.5, emulation takes 0.1


def accelerator_finding(home):
    begin = time.monotonic()
    findings = home.json("doctor")["findings"]
    found = [finding for finding in findings if finding["subject"] == "qemu accelerator"]
    check(len(found) == 1, f"doctor tells of {len(found)} accelerators of QEMU's")
    return found[0], time.monotonic() - begin


def broken_kvm_is_recognised_and_said():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise suite.Skip("there is no /dev/kvm that may be opened")
    with Home() as home:
        first, with_probe = accelerator_finding(home)
        if first["ok"] and first["detail"].startswith("kvm"):
            raise suite.Skip("KVM works here: " + first["detail"])
        again, cached = accelerator_finding(home)
        print(f"  doctor: {first['detail']}\n  probe {with_probe - cached:.2f} s")
        check(first["detail"].startswith("tcg: kvm ") and first["detail"] == again["detail"], f"the reason: {first} {again}")
        check(first["consequence"], f"what follows from it is not told: {first}")
        check(with_probe - cached <= seconds(PROBE_SECONDS), f"the probe took {with_probe - cached:.2f} s")
        home.import_tiny()
        home.launch("guest")
        info = home.info("guest")
        check(info["accelerator"] == "tcg" and "kvm" in info["accelerator_reason"], f"info: {info}")
        home.run("delete", "--purge", "guest", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(broken_kvm_is_recognised_and_said)
