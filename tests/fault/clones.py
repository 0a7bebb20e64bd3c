# SPDX-License-Identifier: MIT
"""What the fault tests of clone and its kin start from, and what must hold after them.

The source is a stopped machine with a seed and a disk of 1 MiB; libguestfs is stood in for (identity_stand_in.py). Its home folder
is saved once; restore() puts it back, and touches only what differs, so that what was prepared stays valid.
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess

from fault import identity_stand_in, invariants
from harness import processes, suite
from harness.suite import check, seconds

SOURCE = "web"
IMAGE = "with-disk"
KEPT = ("instances", "disks", "images", "prepared", "staging", "ssh")
USER_DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "user-data.yaml")


def use_stand_in(home):
    """From now on `home` runs a copy of the built programs with the stand-in for the identity worker."""
    stage = os.path.join(home.base, "stage")
    shutil.copytree(os.path.dirname(os.path.dirname(suite.program("ANYVISOR_CLI"))), stage, symlinks=True)
    worker = os.path.join(stage, "libexec", "anyvisor", "identity")
    os.remove(worker)
    shutil.copy(os.path.abspath(identity_stand_in.__file__), worker)
    os.chmod(worker, 0o755)
    home.cli = os.path.join(stage, "bin", "anyvisor")


def workers():
    """Running identity workers, and whatever an appliance runs in."""
    return [process for process in processes.descendants() if process.state != "Z" and
            (any(part.endswith("libexec/anyvisor/identity") for part in process.arguments()) or
             any("guestfs" in part for part in process.arguments()))]


def import_image(home):
    home.import_tiny(IMAGE, disk=True)


def make_source(home, name=SOURCE):
    home.run("launch", IMAGE, "--name", name, "--memory", "32M", "--network", "user", "--publish", "0:80",
             "--cloud-init", USER_DATA, "--wait", "running")
    home.run("stop", name, "--force")
    write_to(home, name, 5)


def document(home, name):
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        return json.load(file)


def disk_path(home, identifier):
    for ending in (".qcow2", ".raw"):
        path = os.path.join(home.path, "disks", identifier + ending)
        if os.path.exists(path):
            return path
    raise AssertionError(f"disk {identifier} is not there")


def top_of(home, name):
    return disk_path(home, document(home, name)["disk"])


def write_to(home, name, pattern, at="64k"):
    """As its guest would have done while it ran."""
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} {at} 4k", top_of(home, name)], check=True,
                   stdout=subprocess.DEVNULL)


def bytes_of(home, name):
    """The disk as its guest sees it."""
    raw = os.path.join(home.base, f"seen-{os.getpid()}.raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", top_of(home, name), raw], check=True)
    try:
        with open(raw, "rb") as file:
            return file.read()
    finally:
        os.remove(raw)


def content(home, name):
    return hashlib.sha256(bytes_of(home, name)).hexdigest()


def check_chains(home):
    for file in sorted(os.listdir(os.path.join(home.path, "disks"))):
        if file.endswith(".qcow2"):
            done = subprocess.run(["qemu-img", "check", "-q", os.path.join(home.path, "disks", file)], check=False,
                                  capture_output=True, text=True)
            check(done.returncode == 0, f"{file}: {done.stdout}{done.stderr}")


def documents(home, *parts):
    """{id: document} of instances/ or images/."""
    root, found = os.path.join(home.path, parts[0]), {}
    for entry in os.listdir(root):
        path = os.path.join(root, entry, parts[1])
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found[entry] = json.load(file)
    return found


def read_folder(folder):
    """{stem: document} of the .json files in it."""
    found = {}
    for name in os.listdir(folder) if os.path.exists(folder) else []:
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found[name[:-len(".json")]] = json.load(file)
    return found


def check_nothing_stray(home):
    """No disk that nothing refers to, no name or MAC twice, no half-written file, nothing prepared for what is gone."""
    disks, prepared = read_folder(os.path.join(home.path, "disks")), read_folder(os.path.join(home.path, "prepared"))
    instances = documents(home, "instances", "instance.json")
    used, wanted = set(), [entry.get("disk") for entry in (*instances.values(), *documents(home, "images", "image.json").values())]
    wanted += [entry["generalized"] for entry in prepared.values() if entry.get("generalized")]
    while wanted:
        identifier = wanted.pop()
        if identifier and identifier not in used:
            check(identifier in disks, f"disk {identifier} is referred to, and not there")
            used.add(identifier)
            wanted.append(disks[identifier].get("backing"))
    check(used == set(disks), f"disks that nothing refers to: {[disks[stray] for stray in set(disks) - used]}")
    check(set(prepared) <= used, f"something is prepared for disks that are gone: {set(prepared) - used}")
    for what, values in (("name", [entry["name"] for entry in instances.values()]),
                         ("MAC", [network["mac"] for entry in instances.values() for network in entry.get("networks", [])])):
        check(len(set(values)) == len(values), f"a {what} twice: {sorted(values)}")
    temporary = [path for path in home.files() if path.endswith(".tmp") or os.path.basename(path).startswith(".")]
    check(not temporary, f"half-written files: {temporary}")
    left = os.listdir(home.temporary)
    check(not left, f"left in TMPDIR: {left}")


def check_everything(home):
    invariants.check_nothing_half_there(home)
    check_nothing_stray(home)
    check_chains(home)
    gone = processes.until(lambda: not workers(), seconds(3))
    check(gone, f"identity workers are left: {list(map(str, workers()))}")


def check_slots(home, name, source):
    """A clone by --identity full holds what its source holds (`source`: those bytes), but for the slots, which are its own."""
    own = bytearray(bytes_of(home, name))
    for unit, (_, _, length, position) in identity_stand_in.SLOTS.items():
        text = bytes(own[position:position + length]).decode()
        if unit == "hostname":
            check(text.rstrip("\n") == name, f"{name}: host name {text!r}")
        else:
            check(len(text.strip()) == 32 and text.endswith("\n"), f"{name}: machine id {text!r}")
        own[position:position + length] = source[position:position + length]
    check(bytes(own) == source, f"{name} holds something else than its source")


class Saved:
    """The source's home folder as it is now."""

    def __init__(self, home):
        self.home, self.files, self.folders = home, {}, set()
        for path, status in self._walk():
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    self.files[path] = (status.st_mode, file.read())
            else:
                self.folders.add(path)

    def _walk(self):
        for part in KEPT:
            for folder, folders, names in os.walk(os.path.join(self.home.path, part)):
                for name in folders + names:
                    yield os.path.join(folder, name), os.lstat(os.path.join(folder, name))

    def restore(self):
        for path, status in list(self._walk()):
            if path in self.folders or path in self.files:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            elif os.path.lexists(path):
                os.remove(path)
        for path, (mode, text) in self.files.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.exists(path):
                with open(path, "rb") as file:
                    same = file.read() == text
            else:
                same = False
            if not same:
                with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    file.write(text)
            if os.stat(path).st_mode != mode:
                os.chmod(path, stat.S_IMODE(mode))
