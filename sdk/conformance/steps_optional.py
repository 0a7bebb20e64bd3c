# SPDX-License-Identifier: MIT
"""What a backend may leave out. Where it says yes, it is done; where it says no, the call says why and changes nothing."""

import pathlib
import shutil

from machines import Machine
from outcome import Declined, Failure, check

MAC = "52:54:00:c0:4f:02"


def can(machine, name, method, /, **params):
    """Whether the capability is there. If not, the call has to answer `unsupported` with a reason; then it is declined."""
    subject = machine.subject
    answer, reason = subject.capability(name)
    if answer == "yes":
        return
    speaks = subject.capability("console")[0] == "yes"
    before = machine.count() if speaks else 0
    error = machine.refusal(method, **params)
    check(error["kind"] == "unsupported", f"capability {name} is {answer}, and {method} fails so: {error}")
    machine.expect("running")
    if speaks:
        machine.wait_for_count(before + 1)
    raise Declined(f"{name}: {reason}")


def running(subject):
    machine = Machine(subject)
    machine.start()
    if subject.capability("console")[0] == "yes":
        machine.wait_for_count(3)
    return machine


def save_and_restore(subject):
    """The restored guest goes on at the next number, twice; a guest that goes on after its save does so too."""
    with running(subject) as machine:
        saved = machine.folder / "saved"
        saved.mkdir()
        place = {"folder": str(saved), "label": "conformance"}
        for name in ("save", "restore"):
            can(machine, name, f"machine.{name}", **place)
        machine.call("machine.pause")
        machine.save(**place)
        machine.call("machine.resume")
        machine.wait_for_count(machine.count() + 3)
        for _ in range(2):
            machine.call("machine.pause")
            machine.save(**place)
            counted = machine.count()
            machine.terminate()
            machine.restore(**place)
            machine.call("machine.resume")
            machine.wait_for_count(counted + 5)


def fork(subject):
    with running(subject) as machine:
        can(machine, "fork", "machine.fork", template=str(machine.folder), machine=machine.document)
        raise Failure("capability fork is yes, and this suite does not know yet how to prove it")


def hotplug_disk(subject):
    with running(subject) as machine:
        path = pathlib.Path(shutil.copy(subject.guests / "disk.img", machine.folder / "hot.img"))
        device = {"kind": "disk", "id": "hot", "path": str(path), "format": "raw",
                  "chain": [{"path": str(path), "format": "raw"}]}
        can(machine, "hotplug_disk", "machine.attach_device", device=device)
        machine.call("machine.attach_device", device=device)
        check(machine.refusal("machine.attach_device", device=device)["kind"] == "already_exists", "one disk, attached twice")
        machine.call("machine.detach_device", id="hot")
        machine.wait_for_count(machine.count() + 3)


def hotplug_nic(subject):
    with running(subject) as machine:
        device = {"kind": "nic", "id": "net9", "mac": MAC, "mode": "none"}
        can(machine, "hotplug_nic", "machine.attach_device", device=device)
        machine.call("machine.attach_device", device=device)
        machine.call("machine.detach_device", id="net9")
        machine.wait_for_count(machine.count() + 3)


def resize_cpus(subject):
    with running(subject) as machine:
        can(machine, "hotplug_cpu", "machine.resize", cpus=2)
    with Machine(subject, max_cpus=2) as machine:
        machine.start()
        machine.call("machine.resize", cpus=2)
        machine.wait_for_count(machine.count() + 3)


def resize_memory(subject):
    size = 192 << 20  # a step of 128 MiB, which is the smallest that some take
    with running(subject) as machine:
        can(machine, "hotplug_memory", "machine.resize", memory=size)
    with Machine(subject, memory={"size": 64 << 20, "hotplug_size": 256 << 20}) as machine:
        machine.start()
        machine.call("machine.resize", memory=size)
        machine.wait_for_count(machine.count() + 3)


def vsock_devices(machine):
    """The context ids in its hardware."""
    return [device["cid"] for device in machine.record()["hardware"].get("devices", []) if device["kind"] == "vsock"]


def vsock_of(machine):
    """The same, and what it says of the way there."""
    return vsock_devices(machine), machine.call("machine.guest_endpoints").get("vsock")


def vsock(subject):
    """The device that is asked for is among the hardware and among the ways into the guest, also of one that was restored; where
    there is none to be had, a machine for which it is optional runs without."""
    answer, reason = subject.capability("vsock")
    if answer != "yes":
        with Machine(subject, vsock={"cid": 3333, "optional": True}) as machine:
            machine.start()
            check(not vsock_devices(machine), f"vsock is {answer}, and a machine has {vsock_devices(machine)}")
        raise Declined(f"vsock: {reason}")
    with Machine(subject, vsock={"cid": 3333}) as one, Machine(subject, vsock={"cid": 4444, "optional": True}) as other:
        for machine, cid in ((one, 3333), (other, 4444)):
            machine.start()
            cids, way = vsock_of(machine)
            check(cids == [cid] and way and way["cid"] == cid, f"asked for vsock {cid}, it has {cids}, and the way is {way}")
            if "socket" in way:
                socket = pathlib.Path(way["socket"])
                check(socket.is_socket() and socket.parent == machine.folder, f"the way is {way}, and that is no socket of its folder")
        if not subject.lacks("save") and not subject.lacks("restore"):
            saved = one.folder / "saved"
            saved.mkdir()
            place = {"folder": str(saved), "label": "conformance"}
            before = vsock_of(one)
            one.call("machine.pause")
            one.save(**place)
            one.terminate()
            one.restore(**place)
            check(vsock_of(one) == before, f"it was restored, and has {vsock_of(one)} for {before}")
            one.call("machine.resume")


STEPS = [save_and_restore, fork, hotplug_disk, hotplug_nic, resize_cpus, resize_memory, vsock]
