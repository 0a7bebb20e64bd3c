#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three clones of a used Debian guest run beside their source: nothing that makes a machine itself is the same twice, and what
is the user's is the same byte for byte. One of them finds a seed that it cannot read."""

import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from guest import debian_seed_checks as checks  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check  # noqa: E402

BOOT = 500  # seconds that four boots at once may take on a busy machine in software emulation

USER_DATA = """#cloud-config
manage_etc_hosts: true
runcmd:
  - [sh, -c, "date --iso-8601=ns >>/var/lib/ran-at"]
"""

# What a person leaves in a machine: files, a cron job, a service, another user.
USE = r"""set -e
mkdir -p ~/data && head -c 3000000 /dev/urandom >~/data/random && echo hello >~/data/notes
sudo useradd -m -s /bin/sh eve
sudo sh -c 'echo "of eve" >/home/eve/file; chown eve: /home/eve/file
  mkdir -p /etc/cron.d; echo "17 4 * * * eve true" >/etc/cron.d/eve
  printf "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c \"date >>/var/lib/own-service\"\n[Install]\nWantedBy=multi-user.target\n" \
    >/etc/systemd/system/own.service
  systemctl enable -q own.service
  cd /etc/ssh && cp -p ssh_host_ed25519_key new && sync && mv new ssh_host_ed25519_key
  sed -i "s/^ssh_deletekeys: .*/ssh_deletekeys: true/" /etc/cloud/cloud.cfg.d/*.cfg'
grep -q "^ssh_deletekeys: true" /etc/cloud/cloud.cfg.d/*.cfg  # as cloud-init does where an image does not forbid it
sync"""

KEPT = r"""sha256sum ~/data/* /var/lib/ran-at /etc/cron.d/eve /etc/systemd/system/own.service /etc/passwd /etc/shadow /home/eve/file
stat -c '%n %a %U %G %Y' ~/data/random /home/eve /home/eve/file
id eve; systemctl is-enabled own.service; cat /var/lib/ran-at"""

# One line an item, "name value": each has to be another one in each machine.
COLLECT = r"""
item() { printf '%s %s\n' "$1" "$(eval "$2" 2>&1 | tr '\n' ' ')"; }
link=$(ip -o link | grep -v ' lo: ' | head -n 1)
item machine-id 'cat /etc/machine-id'
item dbus-id 'cat /var/lib/dbus/machine-id /etc/machine-id | head -n 1'
item hostname 'hostname; cat /etc/hostname'
item hosts 'grep 127.0.1.1 /etc/hosts'
item ed25519-key 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key | cut -d" " -f2'
item ecdsa-key 'ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key | cut -d" " -f2'
item product-uuid 'cat /sys/class/dmi/id/product_uuid'
item mac 'echo "$link" | grep -o "ether [^ ]*"'
item dhcp-client-id 'grep -h ^CLIENTID= /run/systemd/netif/leases/*'
item random-seed 'sha256sum </var/lib/systemd/random-seed'
item instance-id 'cat /var/lib/cloud/data/instance-id'
item boot-id 'cat /proc/sys/kernel/random/boot_id'
item journal-id 'journalctl -b -n 1 -o json --output-fields=_MACHINE_ID | grep -o "\"_MACHINE_ID\":\"[0-9a-f]*"'
item vmgenid 'cat /sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw | od -An -tx1'
"""
MAY_BE_MISSING = ("vmgenid",)  # a kernel without the driver that shows it


def private_lines(guest):
    """A line from the middle of each of the guest's private keys."""
    return [guest.says(f"sudo cat /etc/ssh/ssh_host_{kind}_key").split("\n")[2].encode() for kind in ("ed25519", "ecdsa")]


def search(path, texts):
    """(text, offset) of each that stands in the file, block by block."""
    block, keep, found = 1 << 22, max(map(len, texts)), []
    with open(path, "rb") as file:
        before, at = b"", 0
        while True:
            try:
                data = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return found  # only a hole is left
            if data > at:
                before, at = b"", data
            piece = os.pread(file.fileno(), block, at)
            if not piece:
                return found
            window = before + piece
            found += [(text, at - len(before) + window.index(text)) for text in texts if text in window]
            before, at = window[-keep:], at + len(piece)


def seen_by_guest(home, name):
    """The instance's disk as its guest sees it, raw."""
    with open(os.path.join(home.folder(home.info(name)), "instance.json"), encoding="utf-8") as file:
        disk = f"{home.path}/disks/{json.load(file)['disk']}.qcow2"
    raw = os.path.join(home.base, name + ".raw")
    child = processes.start(["qemu-img", "convert", "-O", "raw", disk, raw])
    check(child.wait(suite.seconds(200)) == 0, f"{name}: its disk cannot be read")
    return raw


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def spoil_seed(home, name):
    """Of a clone that has not been started: a seed by its label, with nothing in it that cloud-init reads."""
    path = os.path.join(home.folder(home.info(name)), "seed.json")
    with open(path, encoding="utf-8") as file:
        seed = json.load(file)
    check("meta-data" in seed["files"], f"{name} has no seed that waits: {sorted(seed['files'])}")
    seed["files"] = {name + ".damaged": "" for name in seed["files"]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(seed, file)


def check_went_without_seed(guest):
    """cloud-init looked for a seed, and took the guest for a new instance all the same."""
    said = guest.says("cloud-init status --wait --long", limit=180)
    check("status: done" in said and "DataSourceNone" in said, said)


def items_of(guest):
    script = os.path.join(guest.home.base, "collect")
    with open(script, "w", encoding="ascii") as file:
        file.write(COLLECT)
    guest.home.run("copy", script, f"{guest.name}:collect", limit=BOOT)
    said = guest.says("sudo sh collect", limit=200)
    items = dict(line.split(" ", 1) for line in said.splitlines())
    for name, value in items.items():
        check(name in MAY_BE_MISSING or (value.strip() and "No such" not in value and "cannot" not in value), f"{guest.name}: {name}: {value}")
    return items


def clones_beside_their_source():
    if not shutil.which("ssh") or not shutil.which("scp"):
        raise Skip("ssh is not installed")
    folder = os.environ.get("ANYVISOR_DEBIAN_CACHE")
    if not folder:
        raise Skip("ANYVISOR_DEBIAN_CACHE names no folder with a built image")
    with Home() as home:
        begin = time.monotonic()

        def step(text):
            print(f"  {time.monotonic() - begin:6.1f} s  {text}", flush=True)

        user_data = os.path.join(home.base, "user-data.yaml")
        with open(user_data, "w", encoding="utf-8") as file:
            file.write(USER_DATA)
        home.run("launch", "debian:bookworm", "--name", "web", "--cpus", "2", "--memory", "512M", "--network", "restricted", "--cloud-init",
                 user_data, "--wait", "cloud-init", env={"ANYVISOR_DEBIAN_CACHE": folder}, limit=BOOT)
        web = checks.Guest(home, "web")
        web.says(USE, limit=200)
        kept, secrets = web.says(KEPT), private_lines(web)
        step("the source is used")
        home.run("stop", "web", "--timeout", "90", limit=200)
        check(len(search(seen_by_guest(home, "web"), secrets)) >= len(secrets), "the search finds nothing")

        first = home.run("clone", "web", ok=False, limit=300)
        if first.code != 0 and "libguestfs cannot start" in first.err:
            raise Skip(first.err.strip())
        check(first.code == 0, str(first))
        step(f"first clone: {first.elapsed:.1f} s")
        second = home.run("clone", "web", "--name", "b")
        step(f"second clone: {second.elapsed * 1000:.0f} ms")
        home.run("clone", "web", "--name", "c")
        spoil_seed(home, "c")
        names = ("web", "web-clone1", "b", "c")
        pinned = {}
        for name in names[1:]:
            check(home.info(name)["clone_identity"] == "slots", f"{name}: {home.info(name)}")
            found = search(seen_by_guest(home, name), secrets)
            check(not found, f"{name}: the source's private key stands on its disk: {found}")
            pinned[name] = read(os.path.join(home.folder(home.info(name)), "known_hosts"))
        step("no private key of the source is on a clone's disk")

        for name in names:
            home.run("start", name, "--wait", "running", limit=100)
        guests = [checks.Guest(home, name) for name in names]
        for guest in guests:
            checks.first_contact(guest, limit=BOOT)
            step(f"{guest.name} answers, by its pinned key")
        *seeded, seedless = guests
        for guest in seeded:
            checks.check_cloud_init_ended_well(guest)
        check_went_without_seed(seedless)
        step("cloud-init has ended")
        items = [items_of(guest) for guest in guests]
        for item in items[0]:
            values = {found[item] for found in items}
            check(len(values) == len(guests) or (item in MAY_BE_MISSING and any("No such" in value for value in values)),
                  f"{item} is the same twice: {[found[item] for found in items]}")
        for guest, found in zip(guests, items):
            check(found["hostname"].split() == [guest.name] * 2 and guest.name in found["hosts"].split(), f"{guest.name}: {found}")
            own = "iid-datasource-none" if guest is seedless else guest.instance["id"]
            check(found["instance-id"].strip() == own, f"{guest.name}: {found}")
            check(guest.says(KEPT) == kept, f"{guest.name}: what is the user's has changed:\n{guest.says(KEPT)}\nwas:\n{kept}")
        for guest in guests[1:]:
            check(read(os.path.join(guest.folder, "known_hosts")) == pinned[guest.name], f"{guest.name}: its pinned keys have changed")
            check(guest.says("wc -l </var/lib/own-service").strip() == "1", f"{guest.name}: the service did not run by itself")
            checks.check_host_keys(guest)
        step("all items differ, all data is the same")
        for name in names:
            home.run("delete", "--purge", name, "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(clones_beside_their_source)
