# SPDX-License-Identifier: MIT
"""From loading to the end: what every backend does."""

import json
import os
import signal
import socket
import time

import schema
from machines import Machine, alive, wait_until
from outcome import Declined, check
from subject import descriptor_of

BACKEND = "anyvisor.backend/"


def load_and_negotiation(subject):
    found = descriptor_of(subject)
    subject.id, subject.description = found["id"], found
    check(subject.plugin.name == f"anyvisor-{subject.id}.so", f"the file of plugin \"{subject.id}\" is called {subject.plugin.name}")
    check(any(name.startswith(BACKEND) for name in found["interfaces"]), f"it is no backend: {found['interfaces']}")
    wrong = schema.problems(found, "plugin-descriptor")
    check(not wrong, f"its description: {wrong}")


def capability_report(subject):
    report = subject.report = subject.report_for()
    wrong = schema.problems(report, "capability-report")
    check(not wrong, f"the report: {wrong}")
    for name, answer in report["capabilities"].items():
        check(answer["answer"] == "yes" or answer.get("reason"), f"{name}: {answer['answer']} without a reason")
    for member in ("vmm", "accelerator", "disks", "disk_formats"):
        check(report.get(member), f"a backend's report has to have \"{member}\"")
    check(report["accelerator"].get("reason"), "it does not say why it has chosen this accelerator")


def boot_pause_resume(subject):
    """The counter stands while the machine is paused, and goes on where it was."""
    subject.need_console()
    with Machine(subject) as machine:
        machine.create()
        time.sleep(0.3)
        check(machine.console() == b"", "the guest runs before boot")
        machine.boot()
        machine.wait_for_count(5)
        subject.need("pause")
        check(machine.call("machine.pause")["state"] == "paused", "pause does not lead to paused")
        machine.expect("paused")
        time.sleep(subject.seconds(0.2))  # what the VMM had taken from the guest already gets written
        stood = machine.count()
        time.sleep(subject.seconds(0.7))
        check(machine.count() == stood, "the guest counts while it is paused")
        check(machine.call("machine.resume")["state"] == "running", "resume does not lead to running")
        machine.wait_for_count(stood + 5)
        machine.expect("running")


def power_off_by_guest(subject):
    """Observed with its reason; the machine boots again from there."""
    subject.need_console()
    with Machine(subject, boot={"method": "kernel", "kernel": str(subject.guests / "poweroff.elf")},
                 vsock={"cid": 3333, "optional": True}) as machine:
        machine.start()
        for times in (1, 2):
            seen = machine.call("machine.wait", states=["shutdown", "stopped"])
            machine.wait_for_text(b"off\n", times)
            check(seen["state"] in ("shutdown", "stopped") and seen.get("reason"), f"the guest powered off, and is told: {seen}")
            if times == 1:
                if seen["state"] == "stopped":
                    machine.create()
                machine.boot()


def terminate_asked_and_forced(subject):
    for force in (False, True):
        with Machine(subject) as machine:
            machine.start()
            pid = machine.pid()
            reply = machine.terminate(force)
            ended = reply.get("exit") or {}
            check(ended.get("reason"), f"force {force}: how it ended is not told: {reply}")
            check(not alive(pid) and machine.record()["exit"], f"force {force}: the process record does not say that it has ended")
            if not force:
                sockets = [path.name for path in machine.folder.iterdir() if path.is_socket() and path.name != "host.sock"]
                check(not sockets, f"sockets are left: {sockets}")
            machine.create()  # the same machine once more
            machine.expect("created")


def shutdown_request(subject):
    """The power button: answered once pressed. The tiny guest takes no notice, and the machine runs on."""
    subject.need_console()
    with Machine(subject) as machine:
        machine.start()
        machine.wait_for_count(3)
        reply = machine.call("machine.shutdown", method="acpi")
        check(not schema.problems(reply, "state-reply"), f"shutdown answers {reply}")
        if reply["state"] == "running":
            machine.wait_for_count(machine.count() + 3)


def killed_vmm(subject):
    with Machine(subject) as machine:
        machine.start()
        pid = machine.pid()
        os.kill(pid, signal.SIGKILL)
        seen = machine.call("machine.wait", states=["stopped"])
        check(seen["state"] == "stopped" and seen.get("reason"), f"the VMM was killed, and is told: {seen}")
        ended = wait_until(lambda: machine.record()["exit"], subject.seconds(5))
        check(ended and ended["signal"] == signal.SIGKILL, f"the record says of it: {ended}")
        machine.start()


def killed_plugin_host(subject):
    """The guest runs on, the next plugin-host adopts it, and no word of it is lost."""
    with Machine(subject) as machine:
        machine.start()
        pid = machine.pid()
        speaks = subject.capability("console")[0] == "yes" and subject.capability("kernel_boot")[0] == "yes"
        seen = machine.wait_for_count(5) if speaks else 0
        machine.kill_host()
        if speaks:
            seen = machine.wait_for_count(seen + 5)
        check(alive(pid), "the VMM died with its plugin-host")
        state = machine.attach()
        check(state == "running" and machine.pid() == pid, f"it was not adopted: {state}")
        if subject.capability("pause")[0] == "yes":
            machine.call("machine.pause")
            machine.kill_host()
            check(machine.attach() == "paused", "a paused machine is not adopted as paused")
            machine.call("machine.resume")
        if speaks:
            machine.wait_for_count(seen + 5)
        reply = machine.terminate(force=False)
        check(reply["state"] == "stopped", f"an adopted machine cannot be ended: {reply}")


def two_machines_at_once(subject):
    with Machine(subject) as one, Machine(subject) as two:
        one.start()
        two.start()
        check(one.pid() != two.pid(), "both have one VMM")
        if subject.capability("console")[0] == "yes":
            one.wait_for_count(3)
            two.wait_for_count(3)
        one.terminate()
        two.expect("running")
        if subject.capability("console")[0] == "yes":
            two.wait_for_count(two.count() + 3)


def guest_endpoints(subject):
    with Machine(subject) as machine:
        machine.start()
        ways = machine.call("machine.guest_endpoints")
        check(isinstance(ways.get("addresses", []), list), f"addresses are no list: {json.dumps(ways)}")
        for name in ("console", "agent"):
            answer, reason = subject.capability(name)
            if answer == "yes" and not (name == "console" and subject.lacks("console_socket")):
                check(ways.get(name, {}).get("socket"), f"capability {name} is yes, and there is no socket: {ways}")
        if subject.capability("console")[0] != "yes":
            raise Declined("console: " + subject.capability("console")[1])
        if subject.lacks("console_socket"):
            raise Declined(subject.lacks("console_socket"))
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(subject.seconds(10))
            stream.connect(ways["console"]["socket"])
            data = b""
            while data.count(b"\n") < 3:
                part = stream.recv(4096)
                check(part, f"the console hangs up after {data!r}")
                data += part
        machine.wait_for_count(machine.count() + 3)


STEPS = [load_and_negotiation, capability_report, boot_pause_resume, power_off_by_guest, terminate_asked_and_forced,
         shutdown_request, killed_vmm, killed_plugin_host, two_machines_at_once, guest_endpoints]
