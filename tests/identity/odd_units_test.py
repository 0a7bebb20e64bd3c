#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Identity units where there is nothing for them, where it is malformed, and where links lead astray."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import processes, suite  # noqa: E402
from harness.suite import check  # noqa: E402
from identity import worker  # noqa: E402
from identity.tree import MAC, MACHINE_ID, NEW, Tree  # noqa: E402


def absent():
    """No item is there: nothing is done, and not a byte of a file changes."""
    with Tree("debian") as tree:
        tree.file("etc/hosts", "127.0.0.1 localhost\n10.0.0.9 webserver\n")
        tree.file("etc/network/interfaces", "auto eth0\n")
        tree.file("etc/ssh/sshd_config", "HostKey /etc/ssh/ssh_host_ed25519_key\n")
        tree.folder("var/log/journal")
        reply = tree.run()
        check(reply["actions"] == [], f"{reply['actions']}")
        check(reply["system"]["distribution"] == "debian" and reply["system"]["type"] == "linux", f"{reply['system']}")
        tree.nothing_else_changed()


def malformed():
    """Said to be left as it is, with the reason; or, where a clone needs a good one, made new."""
    with Tree("ubuntu") as tree:
        kept = {"etc/machine-id": "uninitialized\n", "var/lib/dbus/machine-id": "0123\n", "etc/hostid": b"\x01\x02",
                "etc/hosts": "127.0.0.1 web {hostname}\n", "etc/nvme/hostid": "\n",
                "etc/iscsi/initiatorname.iscsi": "GenerateName=yes\n",
                "etc/systemd/network/10-long.network": f"[Match]\nMACAddress={MAC}\n" + "#" * 70000,
                "etc/netplan/10-mine.yaml": f"{MAC} {{mac0}}\n"}
        for path, text in kept.items():
            tree.file(path, text)
        tree.folder("etc/HOSTNAME")
        tree.file("etc/hostname", "we b!\n")
        tree.file("etc/conf.d/hostname", "hostname=\n")
        tree.file("etc/nvme/hostnqn", "nqn.by-hand")
        tree.file("etc/ssh/ssh_host_ed25519_key", "")
        tree.file("etc/ssh/ssh_host_ed25519_key.pub", b"\xff\xfe nonsense")
        tree.file("etc/ssh/ssh_host_ecdsa_key.pub", "ecdsa-sha2-nistp256 WITHOUT-A-PRIVATE-ONE\n")
        tree.folder("etc/ssh/ssh_host_rsa_key")
        tree.file("etc/NetworkManager/system-connections/odd", b"\xff\x00mac-address=" + MAC.encode() + b"\xff")
        tree.file("etc/cloud/cloud.cfg", b"\xff\x00: [")
        tree.file("var/lib/dhcp/dhclient.leases/folder", "kept")
        tree.run()
        tree.untouched(*kept, "var/lib/dhcp/dhclient.leases/folder", "etc/conf.d/hostname")
        for path in kept:
            check(tree.reason(path), f"nothing is said of /{path}: {tree.reply}")
        tree.wants({"etc/hostname": "copy b!\n", "etc/nvme/hostnqn": f"nqn.2014-08.org.nvmexpress:uuid:{NEW['nvme-uuid']}\n",
                    "etc/ssh/ssh_host_ed25519_key": NEW["ssh-ed25519-private"], "etc/ssh/ssh_host_ed25519_key.pub": NEW["ssh-ed25519-public"] + "\n"})
        odd = tree.read("etc/NetworkManager/system-connections/odd").encode(errors="surrogateescape")
        check(odd == b"\xff\x00mac-address=" + NEW["mac0"].encode() + b"\xff", f"{odd}")
        tree.gone("etc/ssh/ssh_host_ecdsa_key.pub")
        check(tree.reason("etc/HOSTNAME") == "it is no file", f"{tree.reply}")
        tree.nothing_else_changed()


def links():
    """Links are followed as the guest follows them: their targets are rewritten in the guest, and nowhere else. Calls of
    libguestfs that are not confined to the guest's root would look for /some in the appliance."""
    outside = "/../../../../../../x"
    with Tree("debian") as tree:
        os.rmdir(os.path.join(tree.root, "var/lib"))
        tree.link("var/lib", "/some/lib")  # a folder on the way
        tree.link("some", "../../data")
        tree.file("data/lib/systemd/random-seed", "seed-of-the-source", 0o600)
        tree.file("data/lib/dhcp/dhclient.leases", "old")
        tree.file("data/lib/NetworkManager/secret_key", "nm-key-of-the-source")
        tree.link("data/lib/dbus", "../../../../dbus")
        tree.link("dbus/machine-id", "../../etc/machine-id")
        tree.file("data/machine-id", MACHINE_ID + "\n")
        tree.link("etc/machine-id", "../../../../data/machine-id")
        tree.file("x/hostname", "web\n")
        tree.link("etc/hostname", outside + "/hostname")  # beyond the root stands the root
        tree.link("etc/HOSTNAME", "hostname")
        tree.link("etc/hosts", outside + "/nothing/hosts")  # dangling
        tree.link("etc/hostid", "hostid")  # to itself
        tree.link("etc/nvme", "/etc/nvme/..")  # a loop
        tree.link("etc/iscsi", "/proc/1/root/etc")  # what only a running system has
        tree.link("etc/dhcpcd.duid", "/etc/shadow")
        tree.file("etc/shadow", "root:*:1::::::\n", 0o600)
        tree.host_key("rsa", "data/rsa")
        tree.link("etc/ssh/ssh_host_rsa_key", "/data/rsa")
        tree.host_key("ed25519", "data/ed25519")
        tree.link("etc/ssh/ssh_host_ed25519_key", outside.replace("/x", "/data/ed25519"))
        tree.link("etc/ssh/ssh_host_ed25519_key.pub", "/data/ed25519.pub")
        tree.file("data/mine.yaml", f"mac: {MAC}\n")
        tree.link("etc/netplan", "/data")
        tree.link("etc/netplan-2", "..")
        tree.link("etc/systemd/network/10-a.network", "/data/mine.yaml")  # under two names
        tree.link("etc/systemd/network/20-a.network", "/dev/sda")
        tree.folder("etc/cloud/cloud.cfg.d")
        tree.file("etc/cloud/cloud.cfg")
        tree.link("etc/cloud/cloud.cfg.d/99-anyvisor-clone.cfg", "/etc/shadow")
        tree.link("data/lib/cloud/instances/old", "/home/ada")
        tree.run()
        tree.wants({"data/machine-id": NEW["machine-id"] + "\n", "x/hostname": "copy\n", "data/mine.yaml": f"mac: {NEW['mac0']}\n",
                    "data/ed25519": NEW["ssh-ed25519-private"], "data/ed25519.pub": NEW["ssh-ed25519-public"] + "\n"})
        for path, target in {"etc/machine-id": "../../../../data/machine-id", "etc/hostname": outside + "/hostname", "var/lib": "/some/lib",
                             "etc/HOSTNAME": "hostname", "etc/hosts": outside + "/nothing/hosts", "dbus/machine-id": "../../etc/machine-id"}.items():
            check(tree.target(path) == target, f"/{path} leads to {tree.target(path)}")
        tree.gone("data/lib/systemd/random-seed", "data/lib/dhcp/dhclient.leases", "data/lib/NetworkManager/secret_key", "data/rsa",
                  "etc/ssh/ssh_host_rsa_key", "etc/dhcpcd.duid", "data/lib/cloud/instances/old")
        tree.untouched("etc/shadow", "home/ada/notes")
        check("ssh_deletekeys" in tree.read("etc/cloud/cloud.cfg.d/99-anyvisor-clone.cfg"), "a file of ours is a link's target")
        for path in ("etc/hosts", "etc/hostid"):
            check("leads to nothing" in tree.reason(path), f"/{path}: {tree.reply}")
        for secret in ("seed-of-the-source", "nm-key-of", "private-rsa-of", "private-ed25519-of", MACHINE_ID):
            check(not tree.holds(secret), f"{secret} is still on the disk")
        tree.nothing_else_changed()


def worker_that_is_killed_takes_its_appliance_along():
    with Tree("debian") as tree:
        tree.make()
        request = os.path.join(tree.base, "request")
        with open(request, "w", encoding="utf-8") as file:
            json.dump({"action": "describe", "disk": {"path": tree.image, "format": "raw"}, "emulate": True, "source": {"name": "web", "macs": []}}, file)
        with open(request, "rb") as file:
            child = processes.start([worker.WORKER], stdin=file.fileno())
        appliance = processes.until(lambda: [seen for seen in processes.descendants() if "qemu" in seen.name and tree.image in " ".join(seen.arguments())],
                                    suite.seconds(60))
        if not appliance and child.wait(0) is not None:
            raise suite.Skip("libguestfs starts no appliance here")
        check(appliance, "there is no appliance")
        processes.send(child.pid, 9)
        check(processes.until(lambda: not processes.descendants(), suite.seconds(30)), f"left: {'; '.join(map(str, processes.descendants()))}")


if __name__ == "__main__":
    suite.main(absent, malformed, links, worker_that_is_killed_takes_its_appliance_along)
