#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fixture debian-image: builds debian:bookworm into the cache that ANYVISOR_DEBIAN_CACHE names, if it is not there."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check  # noqa: E402


def build():
    check(os.environ.get("ANYVISOR_DEBIAN_CACHE"), "ANYVISOR_DEBIAN_CACHE names no folder")
    with Home() as home:
        image = home.json("image", "import", "debian:bookworm", limit=580)
        print(f"{image['summary']}, {image['disk_size'] >> 20} MiB")
        check(image["cloud_init"] and image["user"] == "debian" and image["has_kernel"] and image["firmware"] == "uefi", f"{image}")
        check(image["name"] == "debian:bookworm" and image["store"] == "debian-images", f"{image}")


if __name__ == "__main__":
    sys.exit(suite.main(build))
