# SPDX-License-Identifier: MIT
"""A guest's file tree on a disk made by mke2fs, the identity worker on it, and the tree afterwards. Nothing boots."""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import processes, suite  # noqa: E402
from harness.suite import Skip, check  # noqa: E402

MACHINE_ID = "0123456789abcdef0123456789abcdef"
MAC, OTHER_MAC = "52:54:00:a1:b2:c3", "52:54:00:00:00:01"
NEW = {"machine-id": "fedcba9876543210" * 2, "hostname": "copy", "mac0": "52:54:00:d4:e5:f6", "mac0-dashed": "52-54-00-d4-e5-f6",
       "iscsi-suffix": "c0ffeec0ffee", "nvme-uuid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "host-id": "nEw!",
       "ssh-ed25519-private": "new ed25519 private\n", "ssh-ed25519-public": "ssh-ed25519 NEW",
       "ssh-ecdsa-private": "new ecdsa private\n", "ssh-ecdsa-public": "ecdsa-sha2-nistp256 NEW"}


def need_tools(*more):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in ("mke2fs", "debugfs", "e2fsck", *more):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")


def worker():
    return os.path.join(os.path.dirname(suite.program("ANYVISOR_CLI")), "..", "libexec", "anyvisor", "identity")


def ask(request, limit=300):
    """One request to the worker: its exit code and its reply."""
    with tempfile.TemporaryFile("w+") as question, tempfile.TemporaryFile("w+") as answer:
        question.write(json.dumps(request))
        question.seek(0)
        child = processes.start([worker()], stdin=question.fileno(), stdout=answer.fileno())
        code = child.wait(suite.seconds(limit))
        answer.seek(0)
        text = answer.read()
    check(code is not None, "the identity worker does not end")
    reply = json.loads(text)
    if reply.get("error", {}).get("message", "").startswith("libguestfs cannot"):
        raise Skip(reply["error"]["message"])
    return code, reply


def debugfs(image, *commands, write=False):
    script = "".join(command + "\n" for command in commands)
    done = subprocess.run(["debugfs", *(["-w"] if write else []), "-f", "-", image], input=script, check=True,
                          capture_output=True, text=True, errors="replace")
    return done.stdout


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
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", root, image, f"{megabytes}M"], check=True, stdout=subprocess.DEVNULL)

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
        code, self.reply = ask({**request, **more})
        check(code == 0, f"{self.reply}")
        self.look()
        return self.reply

    def look(self):
        self.read_back(self.image)

    def read_back(self, image, folder=""):
        done = subprocess.run(["e2fsck", "-fn", image], check=False, capture_output=True, text=True)
        check(done.returncode == 0, f"e2fsck: {done.stdout}{done.stderr}")
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
