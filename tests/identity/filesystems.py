# SPDX-License-Identifier: MIT
"""File systems from a tree, and their files read back, each by its own tools and without mounting."""

import os
import re
import stat

from harness.suite import check
from identity.disks import MEBIBYTE, empty, need, tool


class Ext4:
    kind = "ext4"

    def __init__(self, *options, size=32 * MEBIBYTE):
        self.options, self.size = options, size

    def make(self, image, tree, label):
        need("mke2fs", "debugfs", "e2fsck")
        tool("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, *self.options, "-d", tree, empty(image, self.size))

    def check(self, image):
        tool("e2fsck", "-fn", image)

    def read(self, image, path):
        return tool("debugfs", "-R", f"cat {path}", image)

    def status(self, image, path):
        """(mode, owner, group) and the text that debugfs has of it."""
        text = tool("debugfs", "-R", f"stat {path}", image)
        mode = re.search(r"Mode:\s+(\d+)", text)
        return (int(mode.group(1), 8), *map(int, re.search(r"User:\s+(\d+)\s+Group:\s+(\d+)", text).groups())), text


def leave_in_journal(image, path, content):
    """As a crash leaves it: new content of a file of one block, in the journal and not yet in its place."""
    block, size = tool("debugfs", "-R", f"bmap {path} 0", image).strip(), _block_size(image)
    with open(image + ".block", "wb") as file:
        file.write(content.encode().ljust(size, b"\0"))
    with open(image + ".script", "w", encoding="ascii") as file:
        file.write(f"jo\njw -b {block} {image}.block\njc\n")
    tool("debugfs", "-w", "-f", image + ".script", image)
    check("needs_recovery" in tool("dumpe2fs", "-h", image), "there is nothing in the journal")


def leave_behind_in_journal(image, content):
    """As file data that was written long ago stands in a journal that keeps it, with nothing to be done any more."""
    block = int(tool("debugfs", "-R", "bmap <8> 100", image))
    with open(image, "r+b") as file:
        file.seek(block * _block_size(image))
        file.write(content)


def _block_size(image):
    return int(re.search(r"Block size:\s+(\d+)", tool("dumpe2fs", "-h", image)).group(1))


class Xfs:
    kind = "xfs"

    def __init__(self, size=300 * MEBIBYTE):
        self.size = size

    def make(self, image, tree, label):
        need("mkfs.xfs", "xfs_db", "xfs_repair")
        lines = ["/none", "0 0"]

        def walk(folder, name):
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                about = entry.stat(follow_symlinks=False)
                mode, owner = f"{stat.S_IMODE(about.st_mode):03o}", f"{about.st_uid} {about.st_gid}"
                if entry.is_symlink():
                    lines.append(f"{entry.name} l--{mode} {owner} {os.readlink(entry.path)}")
                elif entry.is_dir():
                    lines.append(f"{entry.name} d--{mode} {owner}")
                    walk(entry.path, name)
                    lines.append("$")
                else:
                    lines.append(f"{entry.name} ---{mode} {owner} {entry.path}")

        lines.append("d--755 0 0")
        walk(tree, "/")
        lines += ["$", "$"]
        with open(image + ".prototype", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        tool("mkfs.xfs", "-q", "-L", label, "-p", image + ".prototype", "-d", f"file=1,name={empty(image, self.size)},size={self.size}")

    def check(self, image):
        tool("xfs_repair", "-n", "-f", image)

    def read(self, image, path):
        text = tool("xfs_db", "-r", "-f", "-c", f"path {path}", "-c", "p core.size", "-c", "bmap", image)
        size = int(re.search(r"core.size = (\d+)", text).group(1))
        extents = re.findall(r"data offset (\d+) startblock (\d+) \(", text)
        check(len(extents) == 1, f"{path}: {text}")
        place = tool("xfs_db", "-r", "-f", "-c", f"convert fsblock {extents[0][1]} daddr", image)
        sector = int(re.search(r"\((\d+)\)", place).group(1))
        with open(image, "rb") as file:
            file.seek(sector * 512)
            return file.read(size).decode(errors="replace")

    def status(self, image, path):
        text = tool("xfs_db", "-r", "-f", "-c", f"path {path}", "-c", "p core.mode core.uid core.gid", image)
        values = dict(re.findall(r"core\.(\w+) = (\d+)", text))
        return (int(values["mode"], 8) & 0o7777, int(values["uid"]), int(values["gid"])), text


class Btrfs:
    kind = "btrfs"
    size = 128 * MEBIBYTE

    def make(self, image, tree, label):
        need("mkfs.btrfs", "btrfs")
        tool("mkfs.btrfs", "-q", "-f", "-L", label, "--rootdir", tree, empty(image, self.size))

    def check(self, image):
        tool("btrfs", "check", "--readonly", image)

    def read(self, image, path):
        target = image + ".files"
        if not os.path.isdir(target):
            os.makedirs(target)
            tool("btrfs", "restore", image, target)
        with open(target + path, encoding="utf-8", errors="replace") as file:
            return file.read()
