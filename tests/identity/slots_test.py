#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clones by slots on every file system and layout that slots are trusted on, through the real libguestfs: placed, written,
read back, and the file systems without fault. One disk has them all, each mounted where some identity item stands."""

import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check  # noqa: E402
from identity import disks, layout, worker  # noqa: E402
from identity.filesystems import Btrfs, Ext4, Xfs, leave_behind_in_journal, leave_in_journal  # noqa: E402

LAUNCH = 300  # seconds that libguestfs may take on a busy machine


def source_of(home, made, name=layout.NAME):
    """An instance that has this disk, stopped."""
    home.run("image", "import", made.path, "--kernel", suite.program("ANYVISOR_TINY_GUEST"), "--name", name)
    home.launch(name, image=name)
    home.run("stop", name, "--force")


def first_clone(home, name, *arguments):
    result = home.run("clone", layout.NAME, "--name", name, *arguments, ok=False, limit=LAUNCH)
    if result.code != 0 and "libguestfs cannot start" in result.err:
        raise Skip(result.err.strip())
    check(result.code == 0, str(result))
    return result


def disk_of(home, name):
    """The instance's disk as its guest sees it, raw."""
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        disk = json.load(file)["disk"]
    top, raw = f"{home.path}/disks/{disk}.qcow2", os.path.join(home.base, name + ".raw")
    disks.tool("qemu-img", "check", "-q", top)
    disks.tool("qemu-img", "convert", "-O", "raw", top, raw)
    return raw


def check_clone(home, made, name):
    """Every item is a valid one of its own; returns them. Nothing of the source's is left, and nothing else has changed."""
    seen = made.see(disk_of(home, name), os.path.join(home.base, name + ".seen"))
    seen.check_file_systems()
    items = {path: seen.read(path) for path in layout.ITEMS}
    check(re.fullmatch(r"[0-9a-f]{32}\n", items["/etc/machine-id"]), f"{name}: {items}")
    check(items["/var/lib/dbus/machine-id"] == items["/etc/machine-id"], f"{name}: two machine ids: {items}")
    check(items["/etc/hostname"].rstrip("\n") == name, f"{name}: {items}")
    check(items["/etc/hosts"].rstrip("\n") == f"127.0.0.1 localhost\n127.0.1.1 {name}", f"{name}: {items}")
    for kind in ("ed25519", "ecdsa"):
        key = os.path.join(home.base, f"{name}-{kind}")
        with open(key, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(items[f"/etc/ssh/ssh_host_{kind}_key"])
        public = disks.tool("ssh-keygen", "-y", "-f", key)
        check(public.split()[:2] == items[f"/etc/ssh/ssh_host_{kind}_key.pub"].split()[:2], f"{name}: {kind}: no pair")
    check(seen.read("/home/ada/notes") == "kept byte by byte\n" * 1000, f"{name}: the user's data")
    seen.check_no_private_key()
    return seen, items


def check_differ(*clones):
    for path in layout.ITEMS:
        check(len({items[path] for items in clones}) == len(clones), f"{path} is the same twice")


def clone_twice_by_slots(home, made):
    source_of(home, made)
    first, second = first_clone(home, "a"), home.run("clone", layout.NAME, "--name", "b")
    ways = [home.info(name)["clone_identity"] for name in ("a", "b")]
    check(ways == ["slots", "slots"], f"{ways}: {prepared(home)}")
    print(f"  first {first.elapsed:.1f} s, second {second.elapsed * 1000:.0f} ms")
    (seen, items), (_, others) = check_clone(home, made, "a"), check_clone(home, made, "b")
    source = {path: made.see(made.path, os.path.join(home.base, "source.seen")).read(path) for path in layout.ITEMS}
    check_differ(items, others, source)
    return seen


def prepared(home):
    folder = os.path.join(home.path, "prepared")
    for name in os.listdir(folder):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                return json.load(file)
    return None


def every_trusted_file_system_in_one_guest():
    def label_and_owner(image):
        # As SELinux and an administrator leave them.
        for command in ("ea_set /ssh_host_ed25519_key security.selinux system_u:object_r:sshd_key_t:s0",
                        "set_inode_field /ssh_host_ed25519_key gid 42", "set_inode_field /ssh_host_ed25519_key mode 0100640"):
            disks.tool("debugfs", "-w", "-R", command, image)

    with Home() as home:
        made = layout.Layout(os.path.join(home.base, "made"), [
            layout.Volume("/", Ext4("-b", "4096"), after=lambda image: leave_in_journal(image, "/etc/note", "after\n")),
            layout.Volume("/etc/ssh", Ext4("-b", "1024"), after=label_and_owner),
            layout.Volume("/etc/iscsi", Ext4("-O", "bigalloc", "-C", "65536")),
            layout.Volume("/etc/nvme", Ext4("-O", "^has_journal")),
            layout.Volume("/var/lib/dbus", Ext4(), wrap="lvm"),
            layout.Volume("/home", Xfs()),
            layout.Volume("/var", Ext4("-b", "2048"))])
        seen = clone_twice_by_slots(home, made)
        check(seen.read("/etc/note").startswith("after\n"), f"the source's journal was not replayed: {seen.read('/etc/note')!r}")
        (mode, owner, group), text = seen.status("/etc/ssh/ssh_host_ed25519_key")
        check((mode & 0o7777, owner, group) == (0o640, 0, 42), f"mode, owner or group of a key have changed: {text}")
        check("sshd_key_t" in text, f"the label is lost: {text}")
        check(seen.status("/etc/machine-id")[0][0] & 0o7777 == 0o444, "the mode of machine-id has changed")


def xfs_on_a_whole_disk():
    with Home() as home:
        made = layout.Layout(os.path.join(home.base, "made"), [layout.Volume("/", Xfs())])
        seen = clone_twice_by_slots(home, made)
        check(seen.status("/etc/iscsi/initiatorname.iscsi")[0][0] == 0o600, "the mode has changed")


def what_is_not_trusted_is_rewritten_instead():
    """On each of these, a placeholder was found once and a clone was wrong. All in one guest."""
    def keep_in_journal(image):
        extents, journal_data = 0x80000, 0x4000
        disks.tool("debugfs", "-w", "-R", f"set_inode_field /initiatorname.iscsi flags {extents | journal_data:#x}", image)

    def journal_by_default(image):
        disks.tool("tune2fs", "-o", "journal_data", image)
        leave_behind_in_journal(image, b"\n".join(made_keys))

    def journal_by_mount_options(image):
        disks.tool("tune2fs", "-E", "mount_opts=data=journal", image)

    made_keys = []

    def more_items(root):
        layout.put(root, "etc/netplan/10-lan.yaml", f"macaddress: {layout.MAC}\n")
        layout.put(root, "etc/udev/rules.d/70-lan.rules", f'ATTR{{address}}=="{layout.MAC}"\n')
        for kind in ("ed25519", "ecdsa", "rsa"):
            with open(os.path.join(root, f"etc/ssh/ssh_host_{kind}_key"), "rb") as file:
                made_keys.append(file.read())

    with Home() as home:
        made = layout.Layout(os.path.join(home.base, "made"), [
            layout.Volume("/", Ext4(), after=journal_by_default),
            layout.Volume("/etc/netplan", Ext4(), wrap="mirror"),
            layout.Volume("/etc/ssh", Ext4("-O", "inline_data,^has_journal")),
            layout.Volume("/etc/iscsi", Ext4(), after=keep_in_journal),
            layout.Volume("/etc/nvme", Btrfs()),
            layout.Volume("/etc/systemd/network", Ext4(), after=journal_by_mount_options),
            layout.Volume("/etc/udev/rules.d", Ext4(), wrap="striped"),
            layout.Volume("/var/lib/dbus", Ext4(), wrap="raid5")], change=more_items)
        reasons = {}
        for slot in worker.ask(home.base, made.path, "generalize")["slots"]:
            reasons.setdefault(slot["path"].rsplit("/", 1)[0], slot["distrust"])
        for folder, reason in {"/etc": "data in the journal", "/etc/ssh": "inline_data", "/etc/iscsi": "chattr +j", "/etc/nvme": "btrfs",
                               "/etc/systemd/network": "data in the journal", "/etc/netplan": "no plain disk",
                               "/etc/udev/rules.d": "is not linear", "/var/lib/dbus": "no plain disk"}.items():
            check(reason in reasons[folder], f"{folder}: {reasons}")
        source_of(home, made)
        first_clone(home, "a")
        check(home.info("a")["clone_identity"] == "rewrite", f"{home.info('a')}")
        print(f"  {prepared(home)['distrust']}")
        check_clone(home, made, "a")  # of the arrays: what is read once a member is lost


if __name__ == "__main__":
    suite.main(every_trusted_file_system_in_one_guest, xfs_on_a_whole_disk, what_is_not_trusted_is_rewritten_instead)
