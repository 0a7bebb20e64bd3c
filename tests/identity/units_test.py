#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every identity unit, on the layouts of the distributions: the file that is wanted, and nothing else."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.suite import check  # noqa: E402
from identity.tree import MAC, MACHINE_ID, NEW, OTHER_MAC, PartitionedTree, Tree  # noqa: E402

NETPLAN = "network:\n  ethernets:\n    lan:\n      match: {{macaddress: '{0}'}}\n    other:\n      match: {{macaddress: '{1}'}}\n"


def debian():
    """ifupdown, dhclient, cloud-init, three host keys, a journal; systemd's and D-Bus's ids."""
    with Tree("debian") as tree:
        tree.file("etc/machine-id", MACHINE_ID + "\n", 0o444)
        tree.link("var/lib/dbus/machine-id", "/etc/machine-id")
        tree.file(f"var/log/journal/{MACHINE_ID}/system.journal", "what happened")
        tree.file("var/lib/systemd/random-seed", "seed-of-the-source" * 20, 0o600)
        tree.file("var/lib/systemd/credential.secret", "credential-of-the-source" * 20, 0o600)
        for kind in ("ed25519", "ecdsa", "rsa", "dsa"):
            tree.host_key(kind)
        tree.file("etc/ssh/ssh_host_rsa_key-cert.pub", "ssh-rsa-cert-v01@openssh.com OLD")
        tree.owners["etc/ssh/ssh_host_ed25519_key"] = (7, 998)
        tree.file("etc/hostname", "web\n")
        tree.file("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tweb.example\tweb\n10.0.0.9 webserver my-web web-2 web_3 sub.web # web here\n"
                               "# web there\n10.0.0.7 db web.\n::1 ip6-localhost web")
        tree.file("etc/network/interfaces", f"auto eth0\niface eth0 inet dhcp\n  hwaddress ether {MAC}\n")
        tree.file("etc/network/interfaces.d/50-cloud-init", f"# hwaddress {MAC}\n")
        tree.file("etc/network/interfaces.d/extra", f"# other {OTHER_MAC}\n")
        tree.file("etc/udev/rules.d/70-persistent-net.rules", f'ATTR{{address}}=="{MAC}", NAME="lan0"\n')
        tree.file("etc/cloud/cloud.cfg", "users: [default]\n")
        tree.file("etc/cloud/cloud.cfg.d/10.cfg", "#network: {config: disabled}\n")
        tree.file("var/lib/cloud/instances/old/user-data.txt", "secret-user-data-of-the-source")
        tree.link("var/lib/cloud/instance", "/var/lib/cloud/instances/old")
        for name in ("data/instance-id", "data/previous-hostname", "data/set-hostname", "data/status.json", "sem/once"):
            tree.file("var/lib/cloud/" + name, "old")
        tree.file("var/lib/dhcp/dhclient.eth0.leases", "lease { option dhcp-client-identifier }\n")
        tree.file("etc/iscsi/initiatorname.iscsi", "## a comment: with a colon\nInitiatorName=iqn.1993-08.org.debian:01:6d4e1234abcdef")
        tree.file("etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555\n")
        tree.file("etc/nvme/hostid", "11111111-2222-3333-4444-555555555555\n")
        tree.file("etc/hostid", b"\xde\xad\xbe\xef")
        tree.run()
        tree.wants({
            "etc/machine-id": NEW["machine-id"] + "\n", "etc/hostname": "copy\n",
            "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tcopy.example\tcopy\n10.0.0.9 webserver my-web web-2 web_3 sub.web # web here\n"
                         "# web there\n10.0.0.7 db copy.\n::1 ip6-localhost copy\n",
            "etc/ssh/ssh_host_ed25519_key": NEW["ssh-ed25519-private"], "etc/ssh/ssh_host_ed25519_key.pub": NEW["ssh-ed25519-public"] + "\n",
            "etc/ssh/ssh_host_ecdsa_key": NEW["ssh-ecdsa-private"], "etc/ssh/ssh_host_ecdsa_key.pub": NEW["ssh-ecdsa-public"] + "\n",
            "etc/network/interfaces": f"auto eth0\niface eth0 inet dhcp\n  hwaddress ether {NEW['mac0']}\n",
            "etc/udev/rules.d/70-persistent-net.rules": f'ATTR{{address}}=="{NEW["mac0"]}", NAME="lan0"\n',
            "etc/iscsi/initiatorname.iscsi": "## a comment: with a colon\nInitiatorName=iqn.1993-08.org.debian:01:c0ffeec0ffee\n",
            "etc/nvme/hostnqn": f"nqn.2014-08.org.nvmexpress:uuid:{NEW['nvme-uuid']}\n", "etc/nvme/hostid": NEW["nvme-uuid"] + "\n",
            "etc/hostid": NEW["host-id"]})
        check("ssh_deletekeys: false" in tree.read("etc/cloud/cloud.cfg.d/99-anyvisor-clone.cfg"), "cloud-init would delete the keys")
        tree.gone("var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub",
                  "etc/ssh/ssh_host_rsa_key-cert.pub", "etc/ssh/ssh_host_dsa_key", "etc/network/interfaces.d/50-cloud-init",
                  "var/lib/cloud/instances/old", "var/lib/cloud/instance", "var/lib/cloud/data/instance-id", "var/lib/cloud/data/previous-hostname",
                  "var/lib/cloud/data/set-hostname", "var/lib/cloud/data/status.json", "var/lib/dhcp/dhclient.eth0.leases")
        tree.untouched("home/ada/notes", "var/lib/cloud/sem/once", "etc/network/interfaces.d/extra", f"var/log/journal/{MACHINE_ID}/system.journal")
        check("journalctl" in tree.reason(f"var/log/journal/{MACHINE_ID}"), f"{tree.reply}")
        check(tree.target("var/lib/dbus/machine-id") == "/etc/machine-id" and "follows" in tree.reason("var/lib/dbus/machine-id"), f"{tree.reply}")
        check("Mode:  0444" in tree.status("etc/machine-id"), "the machine id's mode has changed")
        key = tree.status("etc/ssh/ssh_host_ed25519_key")
        check("Mode:  0600" in key and "User:     7" in key and "Group:   998" in key, f"the key's owner or mode has changed: {key}")
        for secret in ("private-ed25519-of", "private-rsa-of", "seed-of-the-source", "credential-of", "secret-user-data"):
            check(not tree.holds(secret), f"{secret} is still on the disk")
        tree.nothing_else_changed()


def ubuntu():
    """netplan and networkd; here slots are made, as for a clone in milliseconds."""
    with Tree("ubuntu") as tree:
        tree.file("etc/machine-id", MACHINE_ID)  # no newline at its end
        tree.file("var/lib/dbus/machine-id", MACHINE_ID + "\n")  # no link: it is kept in step
        tree.file("etc/hostname", "# by hand\nWEB-inside.example.org\nmore\n")
        tree.file("etc/hosts", "127.0.1.1 web WEB-inside.example.org WEB-inside\n")
        tree.file("etc/cloud/cloud.cfg", "network:\n  renderers: ['netplan']\n")
        tree.file("etc/netplan/50-cloud-init.yaml", NETPLAN.format(MAC, OTHER_MAC))
        tree.file("etc/netplan/60-mine.yaml", NETPLAN.format(MAC.upper(), OTHER_MAC))
        tree.file("etc/systemd/network/10-lan.link", f"[Match]\nMACAddress={MAC.replace(':', '-')} {OTHER_MAC}\n")
        tree.file("etc/systemd/network/20-lan.network.d/mac.conf", f"[Match]\nMACAddress={MAC}\n")
        tree.file("etc/systemd/network/30-long.network", f"[Match]\nMACAddress=00:{MAC} {MAC}:00 {MAC}0\n")
        tree.file("etc/systemd/network/50-cloud-init-eth0.link", f"[Match]\nMACAddress={MAC}\n")
        tree.file("etc/hostid", b"1234")
        reply = tree.run("generalize")
        slots = {slot["path"].lstrip("/"): slot for slot in reply["slots"]}
        check(set(slots) == {"etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/hosts", "etc/netplan/60-mine.yaml",
                             "etc/systemd/network/10-lan.link", "etc/systemd/network/20-lan.network.d/mac.conf", "etc/hostid"}, f"{sorted(slots)}")
        for path, slot in slots.items():
            check(tree.read(path) == slot["placeholder"] and len(slot["placeholder"]) == slot["length"] and not slot["distrust"], f"{path}: {slot}")
        check(len({slot["placeholder"] for slot in slots.values()}) == len(slots), "a placeholder twice")
        texts = {path: slot["text"] for path, slot in slots.items()}
        check(texts["etc/machine-id"] == texts["var/lib/dbus/machine-id"] == "{machine-id}\n", f"{texts}")
        check(texts["etc/hostname"] == "# by hand\n{hostname}.example.org\nmore\n", f"{texts}")
        check(texts["etc/hosts"] == "127.0.1.1 {hostname} {hostname}.example.org {hostname}\n", f"{texts}")
        check(texts["etc/netplan/60-mine.yaml"] == NETPLAN.format("{mac0}", OTHER_MAC), f"{texts}")
        check(texts["etc/systemd/network/10-lan.link"] == f"[Match]\nMACAddress={{mac0-dashed}} {OTHER_MAC}\n", f"{texts}")
        check(slots["etc/hosts"]["length"] == len(tree.read("etc/hosts")) == len("127.0.1.1   .example.org \n") - 1 + 3 * 63, f"{slots}")
        tree.gone("etc/netplan/50-cloud-init.yaml", "etc/systemd/network/50-cloud-init-eth0.link")
        tree.untouched("home/ada/notes", "etc/systemd/network/30-long.network")
        check(not tree.holds(MACHINE_ID), "the old machine id is still on the disk")
        tree.nothing_else_changed()


def fedora():
    """SELinux labels, NetworkManager, ifcfg, boot entries that are named by the machine id."""
    with Tree("fedora") as tree:
        labels = {"etc/machine-id": "system_u:object_r:machineid_t:s0", "etc/hostname": "system_u:object_r:hostname_etc_t:s0",
                  "etc/ssh/ssh_host_ed25519_key": "system_u:object_r:sshd_key_t:s0"}
        tree.file("etc/machine-id", MACHINE_ID + "\n", 0o444)
        tree.file("etc/hostname", "web.example.org")
        tree.host_key("ed25519")
        tree.file("etc/ssh/sshd_config.d/50-keys.conf", "HostKey /etc/keys/first\n  HostKey /etc/keys/second\n#HostKey /etc/keys/third\n")
        tree.host_key("ecdsa", "etc/keys/first")
        tree.host_key("rsa", "etc/keys/second")
        tree.host_key("rsa", "etc/keys/third")
        tree.file("etc/sysconfig/network", 'NETWORKING=yes\nHOSTNAME="web.example.org"\n')
        nm = "etc/NetworkManager/system-connections/"
        tree.file(nm + "lan.nmconnection", f"[ethernet]\nmac-address={MAC.upper()}\n", 0o600)
        tree.file(nm + "cloud-init-eth0.nmconnection", f"[ethernet]\nmac-address={MAC.upper()}\n", 0o600)
        tree.file("etc/sysconfig/network-scripts/ifcfg-eth0", f"# Created by cloud-init automatically, do not edit.\nHWADDR={MAC}\n")
        tree.file("etc/sysconfig/network-scripts/ifcfg-eth1", f"HWADDR={MAC.upper()}\n")
        for name in ("internal-1-eth0.lease", "timestamps"):
            tree.file("var/lib/NetworkManager/" + name, "old")
        tree.file("var/lib/NetworkManager/secret_key", "nm-key-of-the-source", 0o600)
        tree.folder("etc/cloud/cloud.cfg.d")
        tree.file(f"boot/loader/entries/{MACHINE_ID}-6.5.0.conf", "title Fedora\n")
        tree.labels = {**labels, "etc/cloud/cloud.cfg.d": "system_u:object_r:etc_t:s0", "etc": "system_u:object_r:etc_t:s0"}
        tree.run()
        hidden = {"etc/hostname": "copy.example.org\n", nm + "lan.nmconnection": f"[ethernet]\nmac-address={NEW['mac0']}\n",
                  "etc/sysconfig/network": 'NETWORKING=yes\nHOSTNAME="copy.example.org"\n',
                  "etc/sysconfig/network-scripts/ifcfg-eth1": f"HWADDR={NEW['mac0']}\n", "etc/kernel/entry-token": MACHINE_ID + "\n",
                  "etc/keys/first": NEW["ssh-ecdsa-private"], "etc/keys/first.pub": NEW["ssh-ecdsa-public"] + "\n",
                  "etc/ssh/ssh_host_ed25519_key": NEW["ssh-ed25519-private"], "etc/machine-id": NEW["machine-id"] + "\n"}
        tree.wants(hidden)
        for path, label in {**labels, "etc/cloud/cloud.cfg.d/99-anyvisor-clone.cfg": "system_u:object_r:etc_t:s0",
                            "etc/kernel/entry-token": "system_u:object_r:etc_t:s0"}.items():
            check(tree.label(path) == label, f"/{path} is labelled {tree.label(path)!r}, not {label!r}")
        tree.gone(nm + "cloud-init-eth0.nmconnection", "etc/sysconfig/network-scripts/ifcfg-eth0", "etc/keys/second", "etc/keys/second.pub",
                  *("var/lib/NetworkManager/" + name for name in ("internal-1-eth0.lease", "timestamps", "secret_key")))
        tree.untouched("etc/keys/third", f"boot/loader/entries/{MACHINE_ID}-6.5.0.conf")
        check(not tree.holds("nm-key-of-the-source"), "NetworkManager's key is still on the disk")
        tree.nothing_else_changed()


def opensuse():
    """ifcfg and wicked; cloud-init may not touch the network here, so what it once made is the guest's own."""
    with Tree("opensuse-leap") as tree:
        tree.file("etc/machine-id", MACHINE_ID + "\n", 0o444)
        tree.file("etc/hostname", "web")
        tree.link("etc/HOSTNAME", "hostname")
        ifcfg = "# Created by cloud-init automatically, do not edit.\nLLADDR={0}\n"
        tree.file("etc/sysconfig/network/ifcfg-eth0", ifcfg.format(MAC))
        tree.file("etc/netplan/50-cloud-init.yaml", NETPLAN.format(MAC, OTHER_MAC))
        tree.file("etc/cloud/cloud.cfg.d/99-installer.cfg", "ssh_pwauth: true\nnetwork:\n  config: disabled\n")
        for name in ("duid.xml", "iaid.xml", "lease-eth0-dhcp-ipv4.xml"):
            tree.file("var/lib/wicked/" + name, "<old/>")
        tree.file("var/lib/misc/random-seed", "seed-of-the-source", 0o600)
        tree.file("etc/ssh/sshd_config", "HostKey /etc/ssh/ssh_host_rsa_key\n")  # the only one that the server may use
        for kind in ("rsa", "ecdsa", "dsa"):
            tree.host_key(kind)
        tree.file("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1996-04.de.suse:01:e6ca28cc9f20 \n")
        tree.run()
        tree.wants({"etc/hostname": "copy\n", "etc/sysconfig/network/ifcfg-eth0": ifcfg.format(NEW["mac0"]),
                    "etc/netplan/50-cloud-init.yaml": NETPLAN.format(NEW["mac0"], OTHER_MAC),
                    "etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1996-04.de.suse:01:c0ffeec0ffee \n"})
        tree.wants({"etc/ssh/ssh_host_rsa_key": NEW["ssh-rsa-private"], "etc/ssh/ssh_host_rsa_key.pub": NEW["ssh-rsa-public"] + "\n",
                    "etc/ssh/ssh_host_ecdsa_key": NEW["ssh-ecdsa-private"]})
        check(tree.target("etc/HOSTNAME") == "hostname", "the link is gone")
        tree.gone("etc/ssh/ssh_host_dsa_key", "var/lib/wicked/duid.xml", "var/lib/wicked/iaid.xml", "var/lib/wicked/lease-eth0-dhcp-ipv4.xml", "var/lib/misc/random-seed")
        tree.nothing_else_changed()


def alpine():
    """No systemd, no usr-merge: ifupdown, OpenRC, dhcpcd; D-Bus's id stands alone. One item is left out."""
    with Tree("alpine", usr_merged=False) as tree:
        tree.file("var/lib/dbus/machine-id", MACHINE_ID[:8] + "-" + MACHINE_ID[8:].upper() + "\n")
        tree.file("etc/hostname", "web\n")
        tree.file("etc/conf.d/hostname", "# the name\nhostname='web'\n")
        tree.file("etc/hosts", "127.0.0.1 web web.local\n")
        generated = "# This file is generated from information provided by the datasource.\nauto lo\n"
        tree.file("etc/network/interfaces", generated)
        tree.file("etc/cloud/cloud.cfg", "users: []\n")
        tree.file("etc/mactab", f"lan {MAC}\n")
        tree.file("var/lib/seedrng/seed.credit", "seed-of-the-source", 0o600)
        for name in ("var/lib/dhcpcd/duid", "var/lib/dhcpcd/secret", "var/lib/dhcpcd/eth0.lease", "etc/dhcpcd.duid", "var/db/dhcpcd/eth0.lease"):
            tree.file(name, "old")
        tree.file("etc/hostid", b"1234")
        tree.run(skip=["host-id"])
        tree.wants({"var/lib/dbus/machine-id": NEW["machine-id"] + "\n", "etc/hostname": "copy\n", "etc/mactab": f"lan {NEW['mac0']}\n",
                    "etc/conf.d/hostname": "# the name\nhostname='copy'\n", "etc/hosts": "127.0.0.1 copy copy.local\n"})
        tree.gone("etc/network/interfaces", "var/lib/seedrng/seed.credit", "var/lib/dhcpcd/duid", "var/lib/dhcpcd/secret",
                  "var/lib/dhcpcd/eth0.lease", "etc/dhcpcd.duid", "var/db/dhcpcd/eth0.lease")
        tree.untouched("etc/hostid")
        tree.nothing_else_changed()


def arch():
    """systemd-boot, networkd, netctl, dhcpcd, an entry token; /var and the EFI partition are file systems of their own."""
    with PartitionedTree("arch") as tree:
        tree.file("efi/loader/random-seed", "esp-seed-of-the-source")
        tree.file("efi/loader/loader.conf", "timeout 3\n")
        tree.file(f"efi/loader/entries/{MACHINE_ID}-6.6.conf", "title Arch\n")
        tree.file("etc/kernel/entry-token", "arch\n")
        tree.file("etc/machine-id", MACHINE_ID + "\n", 0o444)
        tree.file("etc/hostname", "web\n")
        tree.file("var/lib/systemd/random-seed", "seed-of-the-source", 0o600)
        tree.file("var/lib/dbus/machine-id", MACHINE_ID + "\n")
        tree.file("etc/netctl/lan", f"Interface=mac:{MAC}\nClient=01:{MAC}\nDuid=00:01:{MAC}\n")
        tree.file("var/lib/dhcpcd/eth0.lease", "old")
        tree.file("var/lib/systemd/network/lease", "old")
        tree.run()
        tree.wants({"etc/machine-id": NEW["machine-id"] + "\n", "var/lib/dbus/machine-id": NEW["machine-id"] + "\n",
                    "etc/hostname": "copy\n", "etc/netctl/lan": f"Interface=mac:{NEW['mac0']}\nClient=01:{NEW['mac0']}\nDuid=00:01:{MAC}\n", "etc/kernel/entry-token": "arch\n"})
        tree.gone("var/lib/systemd/random-seed", "var/lib/dhcpcd/eth0.lease", "var/lib/systemd/network/lease")
        check("random-seed" not in tree.esp and "loader.conf" in tree.esp, f"the EFI partition holds: {tree.esp}\n{tree.reply}")
        check("entry-token" in tree.reason(f"efi/loader/entries/{MACHINE_ID}-6.6.conf"), f"{tree.reply}")
        check(not tree.holds("esp-seed-of") and not tree.holds("seed-of-the-source"), "a seed is still on the disk")


if __name__ == "__main__":
    suite.main(debian, ubuntu, fedora, opensuse, alpine, arch)
