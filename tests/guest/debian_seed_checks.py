# SPDX-License-Identifier: MIT
"""What a Debian guest must have made of its seed. Each check takes a guest that runs, so that several tests may share one boot.

launch with launch_arguments(folder), then Guest(home, name), first_contact(guest), and the checks in any order.
"""

import os
import re
import tempfile
from collections import namedtuple

from harness import processes
from harness.suite import check, seconds

Answer = namedtuple("Answer", "code stdout stderr")  # code None: it did not end in time

DISK = 6 << 30
USER_DATA = """#cloud-config
# A list of users without "default", and keys of its own: anyvisor's way in must outlive both.
users:
  - name: bob
    shell: /bin/sh
ssh_authorized_keys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILJS8nYOkS/XEwlTo2hiLh5eB7fln+Bt+bkgi/qfoxhL of-a-person
write_files:
  - path: /etc/written-by-cloud-init
    content: "for bob\\n"
    permissions: "0644"
runcmd:
  - [sh, -c, "hostname >/var/lib/ran-by-cloud-init"]
"""


def launch_arguments(folder):
    """For `launch`; the user data goes into a file in `folder`."""
    path = os.path.join(folder, "user-data.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(USER_DATA)
    return ["--cpus", "2", "--memory", "1G", "--disk", str(DISK), "--network", "restricted", "--cloud-init", path,
            "--wait", "running"]  # the first contact is for the checks to make


class Guest:
    """A running instance and plain `ssh` to it: the home's key, the pinned host keys and nothing else."""

    def __init__(self, home, name, user="debian"):
        self.home, self.name, self.user = home, name, user
        self.instance = home.info(name)
        self.folder = home.folder(self.instance)
        ports = [port for endpoint in self.instance["endpoints"] for port in endpoint["publish"] if port["guest_port"] == 22]
        check(len(ports) == 1 and ports[0]["host_address"] == "127.0.0.1", f"ssh is not published once: {ports}")
        self.port = ports[0]["host_port"]

    def ssh(self, command, known_hosts=None, limit=60):
        options = {"StrictHostKeyChecking": "yes", "UserKnownHostsFile": known_hosts or os.path.join(self.folder, "known_hosts"),
                   "GlobalKnownHostsFile": "/dev/null", "HostKeyAlias": "anyvisor-" + self.instance["id"], "IdentitiesOnly": "yes",
                   "IdentityAgent": "none", "BatchMode": "yes", "ConnectTimeout": "30"}
        argv = ["ssh", "-F", "none", "-i", os.path.join(self.home.path, "ssh", "id_ed25519"), "-p", str(self.port)]
        argv += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        # By the harness: its reaper would take a subprocess's exit code away.
        with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
            child = processes.start([*argv, f"{self.user}@127.0.0.1", command], stdout=out.fileno(), stderr=err.fileno())
            code = child.wait(seconds(limit))
            if code is None:
                processes.send(child.pid, 9)
            out.seek(0)
            err.seek(0)
            return Answer(code, out.read(), err.read() if code is not None else f"no end within {seconds(limit):.0f} s: {err.read()}")

    def says(self, command, limit=60):
        result = self.ssh(command, limit=limit)
        check(result.code == 0, f"in the guest, {command}: exit code {result.code}: {result.stdout}{result.stderr}")
        return result.stdout


def first_contact(guest, limit=200):
    """Waits until ssh answers. Before that nothing may be said of a host key: the very first contact is with a known host."""
    said = []

    def answers():
        result = guest.ssh("true", limit=35)
        said.append(result.stderr)
        check("erification failed" not in result.stderr and "IDENTIFICATION HAS CHANGED" not in result.stderr, result.stderr)
        return result.code == 0

    reached = processes.until(answers, seconds(limit), pause=0.5)
    check(reached, f"no ssh within {seconds(limit):.0f} s: {said[-1]}; its console ends with: {guest.home.console(guest.name)[-2000:]}")


def check_cloud_init_ended_well(guest):
    said = guest.says("cloud-init status --wait --long", limit=180)
    check("status: done" in said, said)


def check_identity(guest):
    check(guest.says("hostname").strip() == guest.name, f"hostname: {guest.says('hostname')}")
    check(guest.says("cat /var/lib/cloud/data/instance-id").strip() == guest.instance["id"], "another instance-id")
    check(re.fullmatch(r"[0-9a-f]{32}\n", guest.says("cat /etc/machine-id")), "no machine-id")
    check(guest.says("id -un").strip() == guest.user and guest.says("sudo id -u").strip() == "0", "the login user has no sudo")


def check_host_keys(guest):
    """The guest's keys are the pinned ones, all of them, and a known_hosts with other keys is refused."""
    names = guest.says("ls /etc/ssh").split()
    check(sorted(name for name in names if re.fullmatch(r"ssh_host_.*_key", name)) == ["ssh_host_ecdsa_key", "ssh_host_ed25519_key"],
          f"/etc/ssh: {names}")
    own = guest.says("sudo cat /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub")
    with open(os.path.join(guest.folder, "known_hosts"), encoding="ascii") as file:
        pinned = [line.split() for line in file]
    check([line.split()[:2] for line in own.split("\n") if line] == [words[1:] for words in pinned], f"{own} is not {pinned}")
    other = os.path.join(guest.home.base, "other-known-hosts")
    with open(guest.home.path + "/ssh/id_ed25519.pub", encoding="ascii") as some_key, open(other, "w", encoding="ascii") as file:
        file.write(f"anyvisor-{guest.instance['id']} {some_key.read()}")
    refused = guest.ssh("true", known_hosts=other)
    check(refused.code == 255 and "verification failed" in refused.stderr, f"other host keys were accepted: {refused}")


def check_private_keys_are_nowhere_else(guest):
    """On the host: in the seed, in what the guest itself has written to its disk, and in no other file of the home folder."""
    first_line = guest.says("sudo cat /etc/ssh/ssh_host_ed25519_key").split("\n")[2]
    disks = os.path.join(guest.home.path, "disks", "")
    found = [path for path in guest.home.mentions(first_line) if not path.startswith(disks)]
    check(found == [os.path.join(guest.folder, "seed.iso")], f"the guest's private key stands in: {found}")


def check_ssh_over_vsock(guest):
    """On vsock port 22 the same server answers, seen from within: this host may have no vsock."""
    check(guest.says("systemctl is-active sshd-vsock.socket").strip() == "active", "nobody listens on vsock")
    script = "import socket; s = socket.socket(socket.AF_VSOCK); s.settimeout(30); s.connect((1, 22)); print(s.recv(99).decode())"
    said = guest.says(f"sudo modprobe vsock_loopback && python3 -c '{script}'")
    check(said.startswith("SSH-2.0-OpenSSH"), f"on vsock port 22 there is {said!r}")


def check_disk(guest):
    size, device = guest.says("df --output=size,source -B1 / | tail -n 1").split()
    check(0.9 * DISK < int(size) <= DISK, f"/ on {device} has {size} bytes, --disk was {DISK}")


def check_user_data(guest):
    check(guest.says("cat /etc/written-by-cloud-init") == "for bob\n", "write_files")
    check(guest.says("cat /var/lib/ran-by-cloud-init").strip() == guest.name, "runcmd")
    check("bob" in guest.says("id bob"), "users")
    keys = guest.says("cat ~/.ssh/authorized_keys")
    with open(guest.home.path + "/ssh/id_ed25519.pub", encoding="ascii") as file:
        check(file.read().strip() in keys and "of-a-person" in keys, f"authorized_keys: {keys}")


ALL = (check_cloud_init_ended_well, check_identity, check_host_keys, check_private_keys_are_nowhere_else, check_ssh_over_vsock, check_disk, check_user_data)
