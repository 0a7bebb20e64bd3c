# SPDX-License-Identifier: MIT
"""A guest's disk of many file systems: its files spread over them by mount point, and read back from wherever they are."""

import os
import shutil

from harness.suite import check
from identity import arrays, disks

MACHINE_ID = "0123456789abcdef0123456789abcdef"
MAC = "52:54:00:12:34:56"
NAME = "web"


def put(root, path, text, mode=0o644):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)


def make_tree(root, fstab="LABEL=root / ext4 defaults 0 1\n"):
    """A Debian in outline, with one file at least for each folder in which identity stands."""
    for folder in ("bin", "usr/bin", "sbin", "lib", "boot", "var/lib/dbus", "home/ada", "etc/ssh"):
        os.makedirs(os.path.join(root, folder))
    put(root, "etc/debian_version", "12.5\n")
    put(root, "etc/os-release", 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n')
    put(root, "etc/fstab", fstab)
    put(root, "etc/machine-id", MACHINE_ID + "\n", 0o444)
    put(root, "var/lib/dbus/machine-id", MACHINE_ID + "\n")
    put(root, "etc/hostname", NAME + "\n")
    put(root, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {NAME}\n")
    put(root, "var/lib/systemd/random-seed", os.urandom(512), 0o600)
    disks.need("ssh-keygen")
    for kind in ("ed25519", "ecdsa", "rsa"):
        disks.tool("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", f"{root}/etc/ssh/ssh_host_{kind}_key")
    put(root, "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1993-08.org.debian:01:6d4e1234abcd\n", 0o600)
    put(root, "etc/nvme/hostid", "11111111-2222-3333-4444-555555555555\n")
    put(root, "etc/systemd/network/10-lan.network", f"[Match]\nMACAddress={MAC}\n")
    put(root, "etc/note", "before\n")
    put(root, "home/ada/notes", "kept byte by byte\n" * 1000)


# What stands in each clone anew; a slot each.
ITEMS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostname", "/etc/hosts", "/etc/ssh/ssh_host_ed25519_key",
         "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ecdsa_key.pub",
         "/etc/iscsi/initiatorname.iscsi", "/etc/nvme/hostid")
# New values that no two machines share; /etc/hosts and /etc/hostname follow the name.
GONE = ("/var/lib/systemd/random-seed", "/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub")


LEVELS = {"mirror": arrays.MIRROR, "raid5": arrays.RAID5}


class Volume:
    """One file system, mounted at `point`. `wrap`: what it stands in: "" (a partition, or the disk), "lvm", "striped", "mirror", "raid5".
    `after`: called with the image once it is made."""

    def __init__(self, point, system, wrap="", after=None):
        self.point, self.system, self.wrap, self.after = point, system, wrap, after
        self.label = point.strip("/").replace("/", "-")[-12:] or "root"


class Layout:
    """Its disk is `path`, raw. One volume at "/" and no `extra` partition: no partition table."""

    def __init__(self, folder, volumes, extra=(), sector=disks.SECTOR, fstab="", change=None):
        self.folder, self.volumes, self.extra = folder, sorted(volumes, key=lambda volume: volume.point), list(extra)
        self.path, self.root = os.path.join(folder, "disk.raw"), os.path.join(folder, "tree")
        os.makedirs(self.root)
        make_tree(self.root, "".join(f"LABEL={volume.label} {volume.point} {volume.system.kind} defaults 0 1\n" for volume in self.volumes) + fstab)
        if change:
            change(self.root)
        self.private_lines = [self._key_line(kind) for kind in ("ed25519", "ecdsa", "rsa")]
        parts = [part for volume in self.volumes for part in self._make(volume)] + self.extra
        self.offsets = None
        if len(parts) > 1:
            self.sizes = [os.path.getsize(part) for part in parts]
            self.offsets = disks.write_gpt(self.path, parts, sector)
        else:
            os.rename(parts[0], self.path)

    def _key_line(self, kind):
        with open(os.path.join(self.root, f"etc/ssh/ssh_host_{kind}_key"), encoding="ascii") as file:
            return file.read().splitlines()[2].encode()

    def _make(self, volume):
        """The volume's partitions, made of its part of the tree."""
        begin = os.path.join(self.folder, volume.label)
        tree, image = begin + ".tree", begin + ".image"
        # Children before parents would be lost: what is mounted elsewhere is taken out of a copy.
        shutil.copytree(os.path.join(self.root, volume.point.strip("/")), tree, symlinks=True)
        for other in self.volumes:
            if other is not volume and other.point.startswith(volume.point.rstrip("/") + "/"):
                inside = os.path.join(tree, os.path.relpath(other.point, volume.point))
                shutil.rmtree(inside, ignore_errors=True)
                os.makedirs(inside)
        volume.system.make(image, tree, volume.label)
        if volume.after:
            volume.after(image)
        volume.parts = [image]
        if volume.wrap in ("lvm", "striped"):
            volume.parts = [disks.write_lvm(begin + ".lvm", image, volume.wrap == "striped")]
        elif volume.wrap in LEVELS:
            volume.parts = [f"{begin}.md{number}" for number in range(arrays.members(LEVELS[volume.wrap]))]
            arrays.write_members(volume.parts, image, LEVELS[volume.wrap])
        return volume.parts

    def see(self, disk, folder):
        return Seen(self, disk, folder)


class Seen:
    """A disk of that layout as its guest would see it: raw, its volumes taken out of it."""

    def __init__(self, layout, disk, folder):
        self.layout, self.path, self.images = layout, disk, {}
        os.makedirs(folder, exist_ok=True)
        at = 0
        for volume in layout.volumes:
            image = os.path.join(folder, volume.label + ".image")
            parts = [disk]
            if layout.offsets:
                parts = [os.path.join(folder, f"{volume.label}.part{number}") for number in range(len(volume.parts))]
                for number, part in enumerate(parts, at):
                    disks.copy_data(disk, disks.empty(part, layout.sizes[number]), layout.offsets[number], 0, layout.sizes[number])
            if volume.wrap in ("lvm", "striped"):
                original = os.path.join(layout.folder, volume.label + ".image")
                disks.read_lvm(parts[0], image, original, volume.wrap == "striped")
            elif volume.wrap in LEVELS:
                arrays.read_members(parts, image, LEVELS[volume.wrap])
            else:
                image = parts[0]
            self.images[volume.point] = image
            at += len(volume.parts)

    def _find(self, path):
        holder = max((volume for volume in self.layout.volumes if path.startswith(volume.point.rstrip("/") + "/")),
                     key=lambda volume: len(volume.point))
        return holder, self.images[holder.point], "/" + path[len(holder.point.rstrip("/")) + 1:]

    def check_file_systems(self):
        for volume in self.layout.volumes:
            volume.system.check(self.images[volume.point])

    def read(self, path):
        holder, image, inside = self._find(path)
        return holder.system.read(image, inside)

    def status(self, path):
        holder, image, inside = self._find(path)
        return holder.system.status(image, inside)

    def check_no_private_key(self):
        """Nowhere on the disk, in free blocks and journals neither."""
        with open(self.path, "rb") as file:
            content = file.read()
        for line in self.layout.private_lines:
            check(line not in content, "the source's private key is still on the disk")
