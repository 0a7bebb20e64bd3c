# SPDX-License-Identifier: MIT
"""A guest's file tree on a disk made by mke2fs, the identity worker on it, and the tree afterwards. Nothing boots."""

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile

from harness.suite import Skip, check
from identity import disks, worker

MACHINE_ID = "0123456789abcdef0123456789abcdef"
MAC, OTHER_MAC = "52:54:00:a1:b2:c3", "52:54:00:00:00:01"
NEW = {"machine-id": "fedcba9876543210" * 2, "hostname": "copy", "mac0": "52:54:00:d4:e5:f6", "mac0-dashed": "52-54-00-d4-e5-f6",
       "iscsi-suffix": "c0ffeec0ffee", "nvme-uuid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "host-id": "nEw!",
       "ssh-ed25519-private": "new ed25519 private\n", "ssh-ed25519-public": "ssh-ed25519 NEW",
       "ssh-rsa-private": "new rsa private\n", "ssh-rsa-public": "ssh-rsa NEW", "ssh-ecdsa-private": "new ecdsa private\n", "ssh-ecdsa-public": "ecdsa-sha2-nistp256 NEW"}


def ask(folder, request):
    """One request to the worker: its reply."""
    path = os.path.join(folder, "request")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(request, file)
    reply = json.loads(disks.tool(worker.WORKER, limit=worker.LAUNCH, ok=(0, 1), stdin=path))
    if "libguestfs cannot start" in reply.get("error", {}).get("message", ""):
        raise Skip(reply["error"]["message"])
    return reply


def debugfs(image, *commands, write=False):
    script = image + ".commands"
    with open(script, "w", encoding="utf-8") as file:
        file.writelines(command + "\n" for command in commands)
    return disks.tool("debugfs", *(["-w"] if write else []), "-f", script, image)


class Tree:
    """Used as a context manager. Paths are the guest's, without the first slash."""

    def __init__(self, system, usr_merged=True):
        self.base = tempfile.mkdtemp(prefix="anyvisor-identity-")
        self.root, self.image, self.seen = (os.path.join(self.base, name) for name in ("root", "disk.raw", "seen"))
        self.labels, self.owners, self.reply, self.before = {}, {}, {}, {}
        for path in ("usr/bin", "usr/sbin", "usr/lib", "boot", "etc", "var/lib", "home/ada"):
            self.folder(path)
        for name in ("bin", "sbin", "lib"):
            if usr_merged:
                self.link(name, "usr/" + name)
            else:
                self.folder(name)
        self.file("etc/os-release", f'NAME="{system}"\nID={system}\nVERSION_ID="1"\n')
        self.file("etc/fstab", "LABEL=root / ext4 defaults 0 1\n")
        self.file("home/ada/notes", "web, kept byte by byte\n" * 500)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.base, ignore_errors=True)

    def folder(self, path):
        os.makedirs(os.path.join(self.root, path), exist_ok=True)

    def file(self, path, text="", mode=0o644, label=None, owner=None):
        path_here = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path_here), exist_ok=True)
        with open(path_here, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path_here, mode)
        if label:
            self.labels[path] = label
        if owner is not None:
            self.owners[path] = owner

    def link(self, path, target):
        path_here = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path_here), exist_ok=True)
        os.symlink(target, path_here)

    def host_key(self, kind, name=None):
        name = name or f"etc/ssh/ssh_host_{kind}_key"
        types = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "ssh-rsa", "dsa": "ssh-dss"}
        self.file(name, f"private-{kind}-of-the-source\n", 0o600)
        self.file(name + ".pub", f"{types[kind]} OLD root@web\n")

    def make_file_system(self, root, image, label, megabytes=48):
        disks.need("mke2fs", "debugfs", "e2fsck")
        disks.tool("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", root, image, f"{megabytes}M")

    def make(self):
        self.make_file_system(self.root, self.image, "root")
        self.mark(self.image)

    def mark(self, image):
        """What mke2fs does not take from here, or only as root."""
        commands = [f'ea_set /{path} security.selinux "{label}\\000"' for path, label in self.labels.items()]
        for path, (user, group) in self.owners.items():
            commands += [f"set_inode_field /{path} uid {user}", f"set_inode_field /{path} gid {group}"]
        if commands:
            debugfs(image, *commands, write=True)

    def run(self, action="rewrite", **more):
        """Makes the disk, sends the worker to it, and reads it back."""
        if not os.path.exists(self.image):
            self.make()
        request = {"action": action, "disk": {"path": self.image, "format": "raw"}, "emulate": True,
                   "source": {"name": "web", "macs": [MAC]}, "skip": [], "variables": NEW if action == "rewrite" else {}}
        self.reply = ask(self.base, {**request, **more})
        check("error" not in self.reply, f"{self.reply}")
        self.look()
        return self.reply

    def look(self):
        self.read_back(self.image)

    def read_back(self, image, folder=""):
        disks.tool("e2fsck", "-fn", image)
        target = os.path.join(self.seen, folder)
        os.makedirs(target, exist_ok=True)
        debugfs(image, f"rdump / {target}")

    # What is seen afterwards.
    def _here(self, path):
        parts = path.split("/")
        for count in range(1, len(parts)):
            check(not os.path.islink(os.path.join(self.seen, *parts[:count])), f"{path}: a folder of it is a link")
        return os.path.join(self.seen, path)

    def has(self, path):
        return os.path.lexists(self._here(path))

    def read(self, path):
        here = self._here(path)
        check(os.path.lexists(here), f"/{path} is gone")
        check(stat.S_ISREG(os.lstat(here).st_mode), f"/{path} is no file any more")
        with open(here, "rb") as file:
            return file.read().decode(errors="surrogateescape")

    def target(self, path):
        return os.readlink(self._here(path))

    def status(self, path):
        return debugfs(self.image, f"stat /{path}")

    def label(self, path):
        # Label of the inode in the image, without the zero at its end.
        found = re.search(r'= "?([^"\n]*)', debugfs(self.image, f"ea_get /{path} security.selinux"))
        return found.group(1).replace("\\000", "") if found else None

    def holds(self, text):
        with open(self.image, "rb") as file:
            return text.encode() in file.read()

    # What is wanted.
    def wants(self, wanted):
        """{path: content}; newlines at its end do not count, a slot is filled up with them."""
        for path, text in wanted.items():
            now = self.read(path)
            check(now.rstrip("\n") == text.rstrip("\n") and (not text.endswith("\n") or now.endswith("\n")),
                  f"/{path} is {now!r}, not {text!r}")

    def gone(self, *paths):
        for path in paths:
            check(not self.has(path), f"/{path} is still there")

    def untouched(self, *paths):
        for path in paths:
            with open(os.path.join(self.root, path), "rb") as file:
                check(self.read(path).encode(errors="surrogateescape") == file.read(), f"/{path} has changed: {self.read(path)!r}")

    def actions(self, unit=None):
        return {(action["what"], action["path"].lstrip("/")) for action in self.reply["actions"]
                if unit in (None, action["unit"])}

    def reason(self, path):
        return " ".join(action["reason"] for action in self.reply["actions"] if action["path"] == "/" + path)

    def nothing_else_changed(self):
        """Files and links that no action names are as they were, and there are no new ones."""
        named = {path for what, path in self.actions() if what != "keep"} | {"lost+found"}
        before, after = _contents(self.root), _contents(self.seen)
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path) and not any(path == name or path.startswith(name + "/") for name in named):
                made = after.get(path) == "folder" and path not in before and any(name.startswith(path + "/") for name in named)
                check(made, f"/{path} has changed and nobody says so")


class PartitionedTree(Tree):
    """GPT: an EFI system partition that no fstab names, the root, and a separate /var."""
    parts = (("esp", 2048, 65536, "U"), ("root", 67584, 98304, "L"), ("var", 165888, 65536, "L"))  # sectors of 512 bytes

    def make(self):
        variable, esp = os.path.join(self.base, "var"), os.path.join(self.base, "esp")
        os.rename(os.path.join(self.root, "var"), variable)
        self.folder("var")
        os.rename(os.path.join(self.root, "efi"), esp)
        self.folder("efi")
        self.file("etc/fstab", "LABEL=root / ext4 defaults 0 1\nLABEL=var /var ext4 defaults 0 2\n")
        images = {name: os.path.join(self.base, name + ".raw") for name, *_ in self.parts}
        self.make_file_system(self.root, images["root"], "root", 48)
        self.make_file_system(variable, images["var"], "var", 32)
        disks.need("mkfs.vfat", "mcopy", "sfdisk")
        disks.tool("mkfs.vfat", "-C", images["esp"], str(32 << 10))
        disks.tool("mcopy", "-s", "-i", images["esp"], *(os.path.join(esp, name) for name in os.listdir(esp)), "::/")
        disks.empty(self.image, 116 << 20)
        table = os.path.join(self.base, "table")
        with open(table, "w", encoding="utf-8") as file:
            file.write("label: gpt\n" + "".join(f"start={start}, size={size}, type={kind}\n" for _, start, size, kind in self.parts))
        disks.tool("sfdisk", "-q", self.image, stdin=table)
        for name, start, _, _ in self.parts:
            disks.copy_data(images[name], self.image, 0, start * disks.SECTOR)

    def look(self):
        for name, start, size, _ in self.parts:
            part = os.path.join(self.base, name + ".seen")
            disks.copy_data(self.image, disks.empty(part, size * disks.SECTOR), start * disks.SECTOR, 0, size * disks.SECTOR)
            if name != "esp":
                self.read_back(part, "" if name == "root" else "var")
        self.esp = disks.tool("mdir", "-b", "-/", "-i", os.path.join(self.base, "esp.seen"), "::/")


def _contents(root):
    found = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found[os.path.relpath(path, root)] = "link " + os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = hashlib.sha256(file.read()).hexdigest()
            else:
                found[os.path.relpath(path, root)] = "folder"
    return found
