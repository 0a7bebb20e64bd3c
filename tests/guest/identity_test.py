#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clones of a real file tree, rewritten through the real libguestfs: every identity item, by slots and without. No guest
of it boots: its instance has the tiny guest for a kernel."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check  # noqa: E402
from identity.layout import MACHINE_ID, put  # noqa: E402


def make_tree(root, mac):
    for folder in ("bin", "usr/bin", "sbin", "lib", "boot", "var/lib/dbus", "var/lib/cloud/instances/old", "etc/cloud/cloud.cfg.d",
                   "home/ada", "etc/ssh"):
        os.makedirs(os.path.join(root, folder))
    put(root, "etc/debian_version", "12.5\n")
    put(root, "etc/os-release", 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n')
    put(root, "etc/fstab", "LABEL=root / ext4 defaults 0 1\n")
    put(root, "etc/machine-id", MACHINE_ID + "\n", 0o444)
    os.symlink("/etc/machine-id", os.path.join(root, "var/lib/dbus/machine-id"))
    put(root, "etc/hostname", "web\n")
    put(root, "etc/hosts", "127.0.0.1 localhost\n127.0.1.1 web.example web\n10.0.0.9 webserver my-web\n")
    put(root, "var/lib/systemd/random-seed", os.urandom(512), 0o600)
    put(root, "var/lib/systemd/credential.secret", os.urandom(64), 0o600)
    for kind in ("ed25519", "ecdsa", "rsa"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", f"{root}/etc/ssh/ssh_host_{kind}_key"],
                       check=True)
    put(root, "etc/systemd/network/10-lan.network", f"[Match]\nMACAddress={mac.upper()}\n")
    put(root, "etc/systemd/network/20-other.network", "[Match]\nMACAddress=52:54:00:00:00:01\n")
    put(root, "etc/netplan/50-cloud-init.yaml", "network: {}\n")
    put(root, "var/lib/dhcp/dhclient.eth0.leases", "lease {}\n")
    put(root, "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1993-08.org.debian:01:6d4e1234abcd\n")
    put(root, "etc/nvme/hostid", "11111111-2222-3333-4444-555555555555\n")
    put(root, "var/lib/cloud/instances/old/user-data.txt", "#cloud-config\npassword: secret-of-the-source\n")
    put(root, "home/ada/notes", "kept byte by byte\n" * 1000)


class Disk:
    """A clone's disk as its guest would see it."""

    def __init__(self, home, name):
        self.path = os.path.join(home.base, name + ".seen")
        with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
            disk = re.search(r'"disk": "([^"]+)"', file.read()).group(1)
        subprocess.run(["qemu-img", "check", "-q", f"{home.path}/disks/{disk}.qcow2"], check=True)
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"{home.path}/disks/{disk}.qcow2", self.path], check=True)
        done = subprocess.run(["e2fsck", "-fn", self.path], check=False, capture_output=True, text=True)
        check(done.returncode == 0, f"{name}: e2fsck: {done.stdout}{done.stderr}")

    def read(self, path):
        done = subprocess.run(["debugfs", "-R", f"cat {path}", self.path], check=True, capture_output=True)
        return done.stdout.decode(errors="replace")

    def status(self, path):
        return subprocess.run(["debugfs", "-R", f"stat {path}", self.path], check=True, capture_output=True, text=True).stdout

    def has(self, path):
        return "Inode:" in self.status(path)

    def holds(self, text):
        with open(self.path, "rb") as file:
            return text.encode() in file.read()


def mac_of(home, name):
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        return re.search(r'"mac": "([^"]+)"', file.read()).group(1)


def digest_of_disks(home):
    digest = hashlib.sha256()
    for name in sorted(os.listdir(os.path.join(home.path, "disks"))):
        with open(os.path.join(home.path, "disks", name), "rb") as file:
            digest.update(name.encode() + file.read())
    return digest.hexdigest()


def dry_run_names_the_files_and_changes_nothing(home):
    before, files = digest_of_disks(home), home.files()
    result = home.run("clone", "web", "--dry-run", "--keep", "hosts", "--format", "json", ok=False, limit=300)
    if result.code != 0 and "libguestfs cannot start" in result.err:
        raise Skip(result.err.strip())
    check(result.code == 0, str(result))
    changes = json.loads(result.out)["changes"]
    told = {(change["item"], change["action"], change["path"]) for change in changes}
    for wanted in [("machine-id", "write", "/etc/machine-id"), ("machine-id", "keep", "/var/lib/dbus/machine-id"),
                   ("random-seeds", "remove", "/var/lib/systemd/random-seed"), ("ssh-host-keys", "write", "/etc/ssh/ssh_host_ed25519_key"),
                   ("ssh-host-keys", "remove", "/etc/ssh/ssh_host_rsa_key"), ("hostname", "write", "/etc/hostname"),
                   ("cloud-init", "remove", "/etc/netplan/50-cloud-init.yaml"), ("network-macs", "write", "/etc/systemd/network/10-lan.network"),
                   ("dhcp-leases", "remove", "/var/lib/dhcp/dhclient.eth0.leases"), ("iscsi-initiator", "write", "/etc/iscsi/initiatorname.iscsi"),
                   ("nvme-host", "write", "/etc/nvme/hostid")]:
        check(wanted in told, f"{wanted} is not among {sorted(told)}")
    check(not any(change["path"] in ("/etc/hosts", "/home/ada/notes", "/etc/systemd/network/20-other.network") for change in changes), f"{told}")
    check(all(change["reason"] for change in changes if change["action"] == "keep"), f"something is kept without a reason: {changes}")
    items = {item["name"] for item in home.json("identity", "list")["items"]}
    with open(os.path.join(os.path.dirname(__file__), "../../docs/identity.md"), encoding="utf-8") as file:
        check(items == set(re.findall(r"^\| ([a-z-]+) \|", file.read(), re.M)) - {"item"}, f"docs/identity.md has others than {items}")
    check({item for item, _, _ in told} < items, f"{items}")
    lines = home.run("identity", "list").out.splitlines()
    check(len(lines) == 1 + len(items), f"{lines}")
    check(digest_of_disks(home) == before and home.names() == ["web"], "a dry run has changed something")
    check(home.files() - files <= {"names.lock", "disks.lock"}, f"a dry run leaves {sorted(home.files() - files)}")


def every_item_is_made_anew():
    for tool in ("mke2fs", "debugfs", "e2fsck", "ssh-keygen"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Skip(f"{tool} is not installed")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with Home() as home:
        root, raw = os.path.join(home.base, "tree"), os.path.join(home.base, "tree.raw")
        # The MAC is known once the instance is there; its disk is filled before it is ever cloned.
        with open(raw, "wb") as file:
            file.truncate(256 << 20)
        home.run("image", "import", raw, "--kernel", suite.program("ANYVISOR_TINY_GUEST"), "--name", "debian")
        home.launch("web", image="debian", network="restricted")
        home.run("stop", "web", "--force")
        mac = mac_of(home, "web")
        make_tree(root, mac)
        with open(os.path.join(root, "etc/ssh/ssh_host_ed25519_key"), encoding="utf-8") as file:
            private_line = file.read().splitlines()[2]
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", root, raw], check=True)
        with open(os.path.join(home.folder(home.info("web")), "instance.json"), encoding="utf-8") as file:
            disk = re.search(r'"disk": "([^"]+)"', file.read()).group(1)
        subprocess.run(["qemu-img", "convert", "-n", "-O", "qcow2", raw, f"{home.path}/disks/{disk}.qcow2"], check=True)

        dry_run_names_the_files_and_changes_nothing(home)
        first = home.run("clone", "web", ok=False, limit=300)
        if first.code != 0 and "libguestfs cannot start" in first.err:
            raise Skip(first.err.strip())
        check(first.code == 0, str(first))
        second = home.run("clone", "web", "--name", "b")
        rewritten = home.run("clone", "web", "--name", "c", "--keep", "hosts", limit=300)
        ways = {name: home.info(name)["clone_identity"] for name in ("web-clone1", "b", "c")}
        check(ways == {"web-clone1": "slots", "b": "slots", "c": "rewrite"}, f"{ways}")
        print(f"  first {first.elapsed:.1f} s, second {second.elapsed * 1000:.0f} ms, rewritten {rewritten.elapsed:.1f} s")

        seen = {"web": Disk(home, "web")}
        for name in ways:
            disk = seen[name] = Disk(home, name)
            check(re.fullmatch(r"[0-9a-f]{32}\n", disk.read("/etc/machine-id")), f"{name}: {disk.read('/etc/machine-id')!r}")
            check("Mode:  0444" in disk.status("/etc/machine-id"), f"{name}: the mode has changed")
            check("Type: symlink" in disk.status("/var/lib/dbus/machine-id"), f"{name}: the link is gone")
            check(disk.read("/etc/hostname").rstrip("\n") == name, f"{name}: {disk.read('/etc/hostname')!r}")
            hosts = disk.read("/etc/hosts").rstrip("\n").split("\n")
            new = "web" if name == "c" else name  # --keep hosts
            check(hosts == ["127.0.0.1 localhost", f"127.0.1.1 {new}.example {new}", "10.0.0.9 webserver my-web"], f"{hosts}")
            for path in ("/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/etc/ssh/ssh_host_rsa_key",
                         "/etc/netplan/50-cloud-init.yaml", "/var/lib/dhcp/dhclient.eth0.leases", "/var/lib/cloud/instances/old"):
                check(not disk.has(path), f"{name}: {path} is still there")
            check(disk.read("/home/ada/notes") == "kept byte by byte\n" * 1000, f"{name}: user data")
            check(mac_of(home, name) in disk.read("/etc/systemd/network/10-lan.network").lower(), f"{name}: MAC")
            check("52:54:00:00:00:01" in disk.read("/etc/systemd/network/20-other.network"), f"{name}: another's MAC")
            for kind in ("ed25519", "ecdsa"):
                key = os.path.join(home.base, f"{name}-{kind}")
                with open(key, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                    file.write(disk.read(f"/etc/ssh/ssh_host_{kind}_key"))
                public = subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True).stdout
                check(public.split()[:2] == disk.read(f"/etc/ssh/ssh_host_{kind}_key.pub").split()[:2], f"{name}: {kind} pair")
            check("Mode:  0600" in disk.status("/etc/ssh/ssh_host_ed25519_key"), f"{name}: the key's mode")
            check(not disk.holds(private_line), f"{name}: the source's private key is still on the disk")
            check(not disk.holds("secret-of-the-source"), f"{name}: the source's user data is still on the disk")
        check(seen["web"].holds(private_line), "the search would find it")
        check(seen["web"].read("/etc/machine-id") == MACHINE_ID + "\n", "the source has changed")
        for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ecdsa_key.pub",
                     "/etc/iscsi/initiatorname.iscsi", "/etc/nvme/hostid", "/etc/systemd/network/10-lan.network"):
            values = {disk.read(path) for disk in seen.values()}
            check(len(values) == len(seen), f"{path} is the same twice: {values}")

        # What was prepared and then altered behind our back is not used again.
        with open(os.path.join(home.path, "prepared", next(name for name in os.listdir(os.path.join(home.path, "prepared")) if name.endswith(".json"))), encoding="utf-8") as file:
            generalized = re.search(r'"generalized": "([^"]+)"', file.read()).group(1)
        os.utime(f"{home.path}/disks/{generalized}.qcow2")
        third = home.run("clone", "web", "--name", "d", "--explain", limit=300)
        check(third.elapsed > 5 * second.elapsed, f"an altered overlay was used again: {third.elapsed:.2f} s")
        check(re.fullmatch(r"[0-9a-f]{32}\n", Disk(home, "d").read("/etc/machine-id")), "after preparing anew")


def disks_that_cannot_be_rewritten_are_refused():
    """A disk without an operating system: it says so, and what can be done; nothing is left of the try."""
    with Home() as home:
        home.import_tiny(disk=True)
        home.launch("web")
        home.run("stop", "web", "--force")
        before = home.names()
        result = home.run("clone", "web", ok=False, limit=300)
        if "libguestfs cannot start" in result.err:
            raise Skip(result.err.strip())
        check(result.code != 0 and "no operating system" in result.err and "--identity" in result.err, str(result))
        check(home.names() == before and not os.listdir(os.path.join(home.path, "staging")), "something is left")


if __name__ == "__main__":
    suite.main(every_item_is_made_anew, disks_that_cannot_be_rewritten_are_refused)
