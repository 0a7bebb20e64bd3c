#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real Debian guest and its seed: reached by ssh with host keys that were pinned before its first boot."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from guest import debian_seed_checks as checks  # noqa: E402
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip  # noqa: E402


def a_debian_guest_and_its_seed():
    if not shutil.which("ssh"):
        raise Skip("ssh is not installed")
    with Home() as home:
        home.run("launch", "debian:bookworm", "--name", "seeded", *checks.launch_arguments(home.base), limit=300)
        guest = checks.Guest(home, "seeded")
        checks.first_contact(guest)
        for each in checks.ALL:
            each(guest)
        # The next boot is no first boot: the same keys, nothing run again.
        guest.says("sudo rm /var/lib/ran-by-cloud-init && sync")
        home.run("stop", "seeded", "--force")
        home.run("start", "seeded")
        guest = checks.Guest(home, "seeded")
        checks.first_contact(guest)
        checks.check_cloud_init_ended_well(guest)
        checks.check_identity(guest)
        checks.check_host_keys(guest)
        guest.says("test ! -e /var/lib/ran-by-cloud-init")
        home.run("delete", "seeded", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(a_debian_guest_and_its_seed)
