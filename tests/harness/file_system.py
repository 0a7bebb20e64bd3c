# SPDX-License-Identifier: MIT
"""File systems of a test's own, on loop mounts: only root can."""

import contextlib
import os
import shutil
import subprocess
import tempfile

from harness.suite import Skip

TOOLS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# tmpfs: small, and quickly full. The others share blocks between files; xfs is not made any smaller.
SIZES = {"btrfs": "160M", "xfs": "320M", "ext4": "160M", "tmpfs": "24M"}


@contextlib.contextmanager
def mount_image(image):
    """The mount point of the file system in that file."""
    with tempfile.TemporaryDirectory(prefix="anyvisor-mounted-") as point:
        done = subprocess.run(["mount", "-o", "loop", image, point], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"{image} cannot be mounted here: {done.stderr.strip()}")
        try:
            yield point
        finally:
            subprocess.run(["umount", "--lazy", point], check=False)


class Mounted:
    """Context manager: the mount point of a new file system, gone at its end. Skip where that cannot be had."""

    def __init__(self, kind):
        self.kind, self.base = kind, None
        self.point = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip(f"mounting {self.kind} takes root")
        self.base = tempfile.mkdtemp(prefix=f"anyvisor-{self.kind}-")
        self.point = os.path.join(self.base, "mnt")
        os.mkdir(self.point)
        try:
            self._mount()
        except BaseException:
            shutil.rmtree(self.base, ignore_errors=True)
            raise
        return self.point

    def _mount(self):
        if self.kind == "tmpfs":
            mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZES['tmpfs']}", "none", self.point]
        else:
            maker = shutil.which(f"mkfs.{self.kind}", path=TOOLS)
            if not maker:
                raise Skip(f"mkfs.{self.kind} is not installed")
            image = os.path.join(self.base, "image")
            with open(image, "wb") as file:
                file.truncate(int(SIZES[self.kind].rstrip("M")) << 20)
            subprocess.run([maker, "-q", image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            mount = ["mount", "-o", "loop", image, self.point]
        done = subprocess.run(mount, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"{self.kind} cannot be mounted here: {done.stderr.strip()}")

    def __exit__(self, *_):
        subprocess.run(["umount", self.point], check=False)
        shutil.rmtree(self.base, ignore_errors=True)
