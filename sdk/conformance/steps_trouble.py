# SPDX-License-Identifier: MIT
"""Calls that come too late, are taken back, or make no sense: an answer that helps, and nothing left running."""

import copy
import json
import socket

from machines import Machine
from outcome import Declined, Failure, check
from plugin_host import Failed

MAC = "52:54:00:c0:4f:01"


def hurried(machine, method, deadline_ms, kinds, cancel=False, **params):
    """Calls with hardly any time. The reply, or None when it failed, which has to be in one of the `kinds`."""
    machine.host.begin(method, params, deadline_ms=deadline_ms)
    if cancel:
        machine.host.cancel()
    try:
        return machine.host.finish(machine.subject.seconds(20))
    except Failed as failed:
        check(failed.error["kind"] in kinds, f"{method} in a hurry fails so: {failed.error}")
        return None


def survives(subject, kinds, **limits):
    with Machine(subject) as machine:
        machine.attach()
        for _ in range(2):
            reply = hurried(machine, "machine.create", kinds=kinds, **limits, endpoints=[])
            if reply is None:
                check(machine.call("status")["state"] == "stopped", "a create that failed does not leave the machine stopped")
                check(machine.runs_nothing(), "a create that failed leaves a VMM")
            else:
                machine.terminate()
        machine.create()
        if hurried(machine, "machine.boot", kinds=kinds, **limits) is None:
            state = machine.state()
            check(state in ("created", "running"), f"a boot that failed leads to {state}")
            if state == "created":
                machine.boot()
        machine.expect("running")


def deadlines_are_kept(subject):
    """A call that cannot be done in time fails in time, its plugin-host lives, and the next call works."""
    for limit in (1, 40):
        survives(subject, ("timeout",), deadline_ms=limit)


def cancellation(subject):
    survives(subject, ("cancelled",), deadline_ms=int(subject.seconds(20) * 1000), cancel=True)


def refused(subject, what, field, change, *endpoints, kinds=None):
    """A machine document that `change` has spoilt, or endpoints that make no sense: refused at attach or at create."""
    with Machine(subject) as machine:
        sound = copy.deepcopy(machine.document)
        machine.document = change(machine.document, machine) or machine.document
        try:
            machine.attach()
            machine.call("machine.create", endpoints=list(endpoints))
        except Failed as failed:
            error = failed.error
        else:
            machine.pids.add(machine.pid())
            raise Failure(f"{what}: the machine was made all the same")
        check(error.get("message"), f"{what}: refused without a message")
        check(not field or field in error.get("field", ""), f"{what}: the field is not told: {error}")
        check(not kinds or error["kind"] in kinds, f"{what}: the kind of error is {error['kind']}, not one of {kinds}")
        check(machine.runs_nothing(), f"{what}: refused, and a VMM was started")
        machine.document = sound


def bad_documents(subject):
    def changed(**members):
        return lambda document, _: document.update(members)

    def kernel(path):
        return changed(boot={"method": "kernel", "kernel": str(path)})

    missing = subject.work / "no-such-file"
    disk = {"id": "root", "path": str(missing), "format": "raw", "chain": [{"path": str(missing), "format": "raw"}]}
    refused(subject, "no CPU", "/cpus", changed(cpus=0), kinds=("invalid_argument",))
    refused(subject, "memory without a size", "/memory", changed(memory={}), kinds=("invalid_argument",))
    refused(subject, "a relative folder", "/folder", changed(folder="here"), kinds=("invalid_argument",))
    refused(subject, "a kernel that is not there", "/boot/kernel", kernel(missing))
    refused(subject, "a disk that is not there", "/disks/0", changed(disks=[disk]))
    refused(subject, "an endpoint of an unknown kind", "/endpoints", changed(),
            {"id": "net0", "plugin": "user-network", "mac": MAC, "mode": "telepathy"})
    if subject.capability("kernel_boot")[0] == "yes" and subject.capability("console")[0] == "yes":
        garbage = subject.work / "garbage"
        garbage.write_bytes(b"no kernel at all\n" * 512)
        refused(subject, "a kernel that is none", "", kernel(garbage))


def settings_are_checked(subject):
    schema = subject.description.get("settings_schema") or {}
    schema = json.loads(schema) if isinstance(schema, str) else schema
    if schema.get("additionalProperties", True) is not False:
        raise Declined("its settings schema allows unknown settings")
    with Machine(subject) as machine:
        right, subject.settings = subject.settings, dict(subject.settings, no_such_setting=1)
        try:
            machine.attach()
        except Failed as failed:
            check(failed.error["kind"] == "invalid_argument", f"an unknown setting: {failed.error}")
        else:
            raise Failure("an unknown setting is taken")
        finally:
            subject.settings = right


def what_it_declines_it_refuses(subject):
    """A capability that is not there, asked for in a machine document: refused with its field, nothing started."""
    here = subject.work / "mounted"
    here.mkdir(exist_ok=True)
    asked = {
        "mounts": ("/mounts", {"mounts": [{"id": "m0", "source": str(here), "tag": "host"}]}),
        "vfio": ("/devices", {"devices": [{"id": "v0", "kind": "vfio", "address": "0000:00:1f.0"}]}),
        "mdev": ("/devices", {"devices": [{"id": "v0", "kind": "mdev", "uuid": "01890a5d-ac96-774b-bcce-b302099a8057"}]}),
        "vsock": ("/vsock", {"vsock": {"cid": 3333}}),
        "rate_limits": ("/limits", {"limits": {"disk_io_bps": 1 << 20}}),
    }
    declined = [name for name in asked if subject.capability(name)[0] != "yes"]
    for name in declined:
        field, members = asked[name]
        refused(subject, name, field, lambda document, _: document.update(members), kinds=("unsupported",))
    if not declined:
        raise Declined("it can do all of " + ", ".join(asked))


def network_endpoint(subject):
    """A published port is listened on as long as the VMM lives, and free afterwards."""
    if not subject.networks:
        raise Declined("the plugin user-network is not installed beside it")
    if subject.lacks("network_user"):
        refused(subject, "user-mode networking", "/endpoints", lambda *_: None,
                {"id": "net0", "plugin": "user-network", "mac": MAC, "mode": "user"}, kinds=("unsupported",))
        raise Declined(subject.lacks("network_user"))
    with Machine(subject) as machine:
        machine.attach()
        request = {"instance": {"id": machine.id, "name": "conformance"}, "endpoint": {
            "id": "net0", "plugin": "user-network", "mac": MAC, "restrict": True,
            "publish": [{"host_port": 0, "guest_port": 22}]}}
        endpoint = machine.call("network.acquire", plugin="user-network", request=request)
        reply = machine.create(endpoint)
        machine.boot()
        port = endpoint["publish"][0]["host_port"]
        if endpoint["mode"] == "user":
            with socket.create_connection(("127.0.0.1", port), subject.seconds(5)):
                pass
        check(MAC in str(reply.get("hardware", {})), f"the MAC does not stand in the hardware: {reply.get('hardware')}")
        machine.kill_host()
        machine.attach()  # adopts the endpoint too
        machine.expect("running")
        machine.terminate()
        with socket.socket() as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stream.bind(("127.0.0.1", port))


STEPS = [deadlines_are_kept, cancellation, bad_documents, settings_are_checked, what_it_declines_it_refuses, network_endpoint]
