#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plugin under its plugin-host, against a stand-in for the VMM: the conformance suite, and an API with faults.

fake_vmm_test.py SUITE BUILD_FOLDER
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types

HERE = pathlib.Path(__file__).resolve().parent
SUITE = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(sys.argv[2]).resolve() / "stage"
sys.path[:0] = [str(SUITE), str(HERE.parent)]
import steps_life  # noqa: E402
from harness import suite  # noqa: E402
from harness.suite import check  # noqa: E402
from machines import Machine  # noqa: E402
from plugin_host import Failed  # noqa: E402
from subject import Subject  # noqa: E402

PLUGIN = STAGE / "lib/anyvisor/plugins/anyvisor-cloud-hypervisor.so"
SETTINGS = {"binary": str(HERE / "fake_vmm.py")}
# A fault of each kind comes to an answer, or to an error of one of these kinds.
KINDS = {"half": {"unavailable"}, "stall": {"timeout"}, "garbage": {"backend_failed"}, "wrong json": {"backend_failed"},
         "500": {"backend_failed"}, "gone": {"unavailable"}, "dies": {"unavailable", "backend_failed", "invalid_state"}}


class Faulty:
    """A machine on the stand-in, whose faults are set while it runs."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="anyvisor-fake-")
        self.orders = pathlib.Path(self.folder.name, "orders")
        os.environ["ANYVISOR_FAKE_VMM"] = str(self.orders)
        options = types.SimpleNamespace(time_factor=suite.TIME_FACTOR, settings=SETTINGS, plugin=PLUGIN, guest=None,
                                        plugin_host=STAGE / "libexec/anyvisor/plugin-host")
        self.subject = Subject(options, self.folder.name)
        for step in (steps_life.load_and_negotiation, steps_life.capability_report):
            step(self.subject)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        wrong = pathlib.Path(f"{self.orders}.wrong")
        text = wrong.read_text() if wrong.exists() else ""
        self.folder.cleanup()
        check(not text, f"requests that are not of the API: {text}")

    def fault(self, action=None, **what):
        self.orders.write_text(json.dumps({action: what} if action else {}))

    def outcome(self, machine, method, milliseconds, **params):
        """"ok" or the kind of error; and that it came in time."""
        begun = time.monotonic()
        try:
            machine.host.call(method, params, deadline_ms=milliseconds, limit=suite.seconds(10))
            kind = "ok"
        except Failed as failed:
            check(failed.error.get("message"), f"{method}: an error without a message: {failed.error}")
            kind = failed.error["kind"]
        took = time.monotonic() - begun
        check(took < milliseconds / 1000 + suite.seconds(1), f"{method} took {took:.2f} s of {milliseconds} ms")
        return kind


def conformance_suite():
    """Every step of it. What the guest says is made up; that the plugin and the host do their part is not."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise suite.Skip("without /dev/kvm the backend says that it can boot nothing, and the suite asks no more")
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        # The command line's steps take no settings: the stand-in is what its name on PATH leads to.
        programs = pathlib.Path(folder, "bin")
        programs.mkdir()
        (programs / "cloud-hypervisor").symlink_to(HERE / "fake_vmm.py")
        environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}", ANYVISOR_FAKE_VMM=f"{folder}/orders")
        done = subprocess.run([sys.executable, "-B", SUITE / "run", "--plugin", PLUGIN, "--cli", STAGE / "bin/anyvisor",
                               "--report", report, "--time-factor", str(max(2, suite.TIME_FACTOR))], env=environment,
                              capture_output=True, text=True, check=False)
        print(done.stdout[-4000:])
        wrong = pathlib.Path(f"{folder}/orders.wrong")
        check(not wrong.exists(), "requests that are not of the API: " + (wrong.read_text() if wrong.exists() else ""))
        outcomes = {step["name"]: step["outcome"] for step in json.loads(report.read_text())["steps"]}
        passed = {name for name, outcome in outcomes.items() if outcome == "pass"}
        check("FAIL" not in outcomes.values(), "a step failed")
        expected = {"boot pause resume", "power off by guest", "killed plugin host", "killed vmm", "save and restore",
                    "deadlines are kept", "cancellation", "bad documents", "nothing left"}
        check(expected <= passed, f"not passed: {expected - passed}")


def each_fault_in_each_hop():
    """Ends with the right answer or one error, in time; afterwards the machine is as before, or ends; no VMM is left."""
    with Faulty() as faulty:
        for method, action in (("machine.create", "vm.create"), ("machine.boot", "vm.boot"), ("machine.pause", "vm.pause"),
                               ("machine.state", "vm.info")):
            for kind, errors in KINDS.items():
                with Machine(faulty.subject) as machine:
                    faulty.fault()
                    machine.attach()
                    if method != "machine.create":
                        machine.create()
                    if method in ("machine.pause", "machine.state"):
                        machine.boot()
                    faulty.fault(action, kind=kind, at=20)
                    params = {"endpoints": []} if method == "machine.create" else {}
                    # Only who says nothing at all is waited for until the end: the others get time for a busy machine.
                    limit = 0.6 if kind == "stall" else 10
                    came = faulty.outcome(machine, method, int(suite.seconds(limit) * 1000), **params)
                    if machine.record():
                        machine.pids.add(machine.pid())
                    # A state that nobody tells is "unknown", which is an answer; a body where none is due harms nobody.
                    fine = {"ok"} if kind == "wrong json" or (method == "machine.state" and kind != "500") else set()
                    check(came in errors | fine, f"{kind} in {action}: {came}")
                    faulty.fault()


def replies_cut_anywhere():
    """State is asked for over a reply that is cut at each byte: an answer, within its time, and the next one is right."""
    with Faulty() as faulty, Machine(faulty.subject) as machine:
        machine.start()
        for at in range(0, 130, 3):
            for kind in ("half",) if at % 30 else ("half", "stall"):
                faulty.fault("vm.info", kind=kind, at=at)
                reply = machine.host.call("machine.state", {}, deadline_ms=int(suite.seconds(0.3) * 1000), limit=suite.seconds(10))
                check(reply["state"] == "unknown" and reply["reason"], f"{kind} at {at}: {reply}")
        faulty.fault("vm.info", kind="slow", ms=200)
        machine.expect("running")
        faulty.fault("vm.info", kind="extra")
        machine.expect("running")
        faulty.fault()
        machine.call("machine.pause")
        machine.expect("paused")


def memory_that_cannot_be_saved_or_restored():
    """A save that fails leaves a guest that goes on; what does not belong together is refused before a VMM starts."""
    with Faulty() as faulty, Machine(faulty.subject) as machine:
        saved = machine.folder / "saved"
        saved.mkdir()
        place = {"folder": str(saved), "label": "one"}
        machine.start()
        machine.wait_for_count(3)
        check(machine.refusal("machine.save", **place)["kind"] == "invalid_state", "a running guest was saved")
        machine.call("machine.pause")
        faulty.fault("vm.snapshot", kind="500")
        check(machine.refusal("machine.save", **place)["kind"] == "backend_failed", "a save that fails")
        faulty.fault()
        machine.expect("paused")
        machine.call("machine.resume")
        machine.wait_for_count(machine.count() + 3)
        machine.call("machine.pause")
        machine.save(**place)
        counted = machine.count()
        machine.terminate()

        refusals = []
        for label, spoil in (("another", None), ("one", "state.json"), ("one", "config-saved.json"), ("one", "memory-ranges")):
            kept = (saved / spoil).read_bytes() if spoil else b""
            if spoil:
                (saved / spoil).write_bytes(kept[:-1] if kept[:-1] and spoil != "state.json" else b"")
            refusals.append(machine.refusal("machine.restore", endpoints=[], folder=str(saved), label=label)["kind"])
            check(machine.runs_nothing(), f"a VMM was started on {label} {spoil}")
            if spoil:
                (saved / spoil).write_bytes(kept)
        check(set(refusals) == {"corrupted"}, f"what does not belong together: {refusals}")

        faulty.fault("vm.restore", kind="no on-demand")
        machine.restore(**place)
        faulty.fault()
        machine.call("machine.resume")
        machine.wait_for_count(counted + 5)


def a_guest_that_powers_off_before_v52():
    """There that is the VMM's end: told as the guest's doing, by the host, in the record and in `list`, also by one that has adopted
    it. A VMM that was killed, or fails, has not been powered off by its guest."""
    for version, lingers in (("v51.0", "0"), ("v40.0", "0.2")):
        os.environ.update(ANYVISOR_FAKE_VMM_VERSION=version, ANYVISOR_FAKE_VMM_LINGERS=lingers)
        try:
            with Faulty() as faulty:
                check(faulty.subject.report["vmm"]["version"] == version, f"it is {faulty.subject.report['vmm']}")
                off = {"method": "kernel", "kernel": str(faulty.subject.guests / "poweroff.elf")}
                with Machine(faulty.subject, boot=off) as machine:
                    for adopted in (False, True):
                        machine.create()
                        if adopted:
                            machine.kill_host()
                            machine.attach()
                        machine.boot()
                        seen = machine.call("machine.wait", states=["shutdown", "stopped"])
                        check(seen == {"state": "stopped", "reason": "the guest powered itself off"}, f"{version}, adopted {adopted}: {seen}")
                        exit_ = machine.record()["exit"]
                        check(exit_["reason"] == seen["reason"] and exit_["code"] == (-1 if adopted else 0), f"the record says {exit_}")
                with Machine(faulty.subject) as machine:
                    machine.start()
                    os.kill(machine.pid(), signal.SIGKILL)
                    seen = machine.call("machine.wait", states=["shutdown", "stopped"])
                    check(seen["state"] == "stopped" and "killed by signal 9" in seen["reason"], f"killed, and is told: {seen}")
                    machine.create()
                    faulty.fault("vm.boot", kind="dies")
                    machine.refusal("machine.boot")
                    seen = machine.call("machine.wait", states=["stopped"])
                    check("exit code 1" in seen["reason"], f"it failed, and is told: {seen}")
        finally:
            del os.environ["ANYVISOR_FAKE_VMM_VERSION"], os.environ["ANYVISOR_FAKE_VMM_LINGERS"]


def doctor(home, **environment):
    """Its findings by subject, and what it prints."""
    command = [STAGE / "bin/anyvisor", "--home", home, "doctor"]
    ran = [subprocess.run(command + list(more), env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False).stdout for more in (("--format", "json"), ())]
    return {finding["subject"]: finding for finding in json.loads(ran[0])["findings"]}, ran[1]


def kvm_that_runs_no_guests():
    """/dev/kvm that opens is not enough: what the probe's guest does is told, kept, and a launch refused by it; by setting it is believed."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise suite.Skip("without /dev/kvm nothing is probed")
    with tempfile.TemporaryDirectory() as folder:
        programs = pathlib.Path(folder, "bin")
        programs.mkdir()
        (programs / "cloud-hypervisor").symlink_to(HERE / "fake_vmm.py")
        orders = pathlib.Path(folder, "orders")
        here = {"PATH": f"{programs}:{os.environ['PATH']}", "ANYVISOR_FAKE_VMM": str(orders)}
        found, _ = doctor(f"{folder}/works", **here)
        found = found["cloud-hypervisor accelerator"]
        check(found["ok"] and found["detail"].startswith("kvm: kvm runs a 64-bit guest"), f"a KVM that works: {found}")
        anyvisor = [STAGE / "bin/anyvisor", "--home", f"{folder}/broken"]
        environment = dict(os.environ, **here)
        subprocess.run([*anyvisor, "image", "import", "--kernel", STAGE.parent / "guests/tiny.elf", "--name", "tiny"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)
        orders.write_text('{"probe": {"kind": "dies"}}')
        for _ in range(2):
            found, text = doctor(f"{folder}/broken", **here)
            found = found["cloud-hypervisor accelerator"]
            check(not found["ok"] and found["detail"].startswith("none: ") and "made up" in found["detail"], f"a KVM that does not: {found}")
            check("!!  cloud-hypervisor accelerator" in text, f"it prints {text}")
            orders.write_text("{}")  # the second time the answer is known
        refused = subprocess.run([*anyvisor, "launch", "tiny", "--backend", "cloud-hypervisor", "--network", "none"], env=environment,
                                 capture_output=True, text=True, check=False)
        check(refused.returncode and "made up" in refused.stderr, f"launched on a KVM that does not work: {refused}")
        check(not os.listdir(f"{folder}/broken/instances"), "something is left")

    os.environ["ANYVISOR_FAKE_VMM"] = "/nonexistent"
    with tempfile.TemporaryDirectory() as folder:
        options = types.SimpleNamespace(time_factor=suite.TIME_FACTOR, settings={**SETTINGS, "accelerator": "kvm"}, plugin=PLUGIN, guest=None,
                                        plugin_host=STAGE / "libexec/anyvisor/plugin-host")
        believed = Subject(options, folder)
        steps_life.load_and_negotiation(believed)
        report = believed.report_for()
        check(report["accelerator"] == {"name": "kvm", "reason": "set so in the plugin's settings", "emulated": False}, f"{report['accelerator']}")
        check(not os.listdir(believed.home / "cache"), "it was tried out all the same")


def a_program_that_is_not_installed():
    """Nobody needs every hypervisor: beside one that works it is optional, and doctor says how to have it."""
    with tempfile.TemporaryDirectory() as folder:
        programs = pathlib.Path(folder, "bin")
        programs.mkdir()
        for name in ("qemu-system-x86_64", "qemu-img"):
            if found := shutil.which(name):
                (programs / name).symlink_to(found)
        found, text = doctor(f"{folder}/home", PATH=str(programs))
        mine = found["backend cloud-hypervisor"]
        check("qemu VMM" in found or not shutil.which("qemu-system-x86_64"), f"QEMU was not found: {text}")
        works = "qemu VMM" in found
        check(not mine["ok"] and mine["optional"] == works and "not installed" in mine["detail"] and mine["remedy"], f"not installed: {mine}")
        check(("--  backend cloud-hypervisor" in text) == works, f"it prints {text}")
        # Without any hypervisor one of them has to be mended.
        for file in programs.iterdir():
            file.unlink()
        found, text = doctor(f"{folder}/home", PATH=str(programs))
        check(not found["backend cloud-hypervisor"]["optional"] and "!!  backend cloud-hypervisor" in text, f"nothing is installed: {text}")


class CommandLine:
    """The command, on a home folder of its own, with the stand-in on PATH."""

    def __init__(self, folder):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise suite.Skip("without /dev/kvm the backend says that it can boot nothing")
        self.folder = folder
        programs = pathlib.Path(folder, "bin")
        programs.mkdir()
        (programs / "cloud-hypervisor").symlink_to(HERE / "fake_vmm.py")
        self.environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}", ANYVISOR_FAKE_VMM=f"{folder}/orders")

    def __call__(self, *arguments, fails=None):
        # Options come first: what stands behind a command for a guest is the guest's.
        done = subprocess.run([STAGE / "bin/anyvisor", "--home", f"{self.folder}/home", "--format", "json", *arguments],
                              env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if fails:
            check(done.returncode and f'"kind":"{fails}"' in done.stderr, f"{arguments}: not {fails}, but {done.stdout} {done.stderr}")
            return done.stderr
        check(not done.returncode, f"{arguments}: exit code {done.returncode}: {done.stderr}")
        return done.stdout


def the_way_over_vsock():
    """Each machine that people log in to gets a context id of its own, a clone too; what does not lead into a guest is said."""
    with tempfile.TemporaryDirectory() as folder:
        anyvisor = CommandLine(folder)

        def info(name):
            return json.loads(anyvisor("info", name))

        kernel = str(STAGE.parent / "guests/tiny.elf")
        anyvisor("image", "import", "--kernel", kernel, "--name", "plain")
        anyvisor("image", "import", "--kernel", kernel, "--name", "login", "--cloud-init", "--user", "somebody")
        how = ("--memory", "32M", "--backend", "cloud-hypervisor", "--network", "none")
        # Nothing says that this guest serves ssh there: the launch does not wait for it.
        for image, name in (("plain", "none"), ("login", "one"), ("login", "two")):
            anyvisor("launch", image, "--name", name, *how)
        anyvisor("clone", "--identity", "seed", "one", "--name", "three")
        anyvisor("start", "three")
        cids = [info(name)["vsock_cid"] for name in ("one", "two", "three")]
        check(len(set(cids)) == 3 and min(cids) >= 3, f"their context ids are {cids}")
        anyvisor("standby", "one")
        check(info("one")["vsock_cid"] == 0, "it has no VMM, and a vsock device")
        anyvisor("start", "one")
        check(info("one")["vsock_cid"] == cids[0], f"it had {cids[0]}, and comes back with {info('one')['vsock_cid']}")
        check(info("none")["vsock_cid"] == 0, "nobody logs in there, and it has vsock")
        for via in ((), ("--via", "vsock")):
            said = anyvisor("exec", *via, "one", "true", fails="not_ready")
            check("vsock port 22" in said and "wait one" in said, f"nobody serves ssh there, and exec says {said}")
        anyvisor("copy", "--via", "vsock", kernel, "one:", fails="not_ready")
        check("--via vsock" in anyvisor("exec", "--via", "ssh", "one", "true", fails="unsupported"), "the other way is not named")
        anyvisor("exec", "--via", "vsock", "none", "true", fails="unsupported")
        anyvisor("wait", "one", "--timeout", "1", fails="timeout")
        for name in ("none", "one", "two", "three"):
            anyvisor("delete", "--force", name)
        wrong = pathlib.Path(f"{folder}/orders.wrong")
        check(not wrong.exists(), "requests that are not of the API: " + (wrong.read_text() if wrong.exists() else ""))


def from_the_command_line():
    """What the core does over any backend: chosen, launched, put into standby and back, cloned, deleted; the guest counts on."""
    with tempfile.TemporaryDirectory() as folder:
        anyvisor = CommandLine(folder)

        def counted():
            numbers = [int(line, 16) for line in next(pathlib.Path(folder, "home/instances").glob("*/logs/console.log")).read_text().split()]
            check(numbers == list(range(1, len(numbers) + 1)), f"the console has a hole: {numbers[-9:]}")
            return len(numbers)

        def counts_on():
            before = counted()
            until = time.monotonic() + suite.seconds(10)
            while counted() < before + 5 and time.monotonic() < until:
                time.sleep(0.01)
            check(counted() >= before + 5, "the guest stands still")

        anyvisor("image", "import", "--kernel", str(STAGE.parent / "guests/tiny.elf"), "--name", "tiny")
        if subprocess.run(["which", "qemu-system-x86_64"], stdout=subprocess.DEVNULL, check=False).returncode == 0:
            check("cloud-hypervisor, qemu" in anyvisor("launch", "tiny", fails="invalid_argument"), "the backends are not listed")
        mine = ("launch", "tiny", "--name", "one", "--memory", "32M", "--backend", "cloud-hypervisor")
        check("user-mode" in anyvisor(*mine, fails="unsupported"), "the reason is not told")
        anyvisor(*mine, "--network", "none")
        counts_on()
        for standby in (("standby", "one"), ("standby", "--no-durable", "one")):
            anyvisor(*standby)
            check('"Standby"' in anyvisor("list"), "it is not in standby")
            anyvisor("start", "one")
            counts_on()
        anyvisor("pause", "one")
        anyvisor("resume", "one")
        counts_on()
        anyvisor("stop", "--force", "one")
        anyvisor("delete", "--purge", "one")
        # Its disk is a qcow2 overlay: the memory would not fit to it any more once the VMM has ended.
        anyvisor("image", "import", str(STAGE.parent / "guests/disk.img"), "--kernel", str(STAGE.parent / "guests/tiny.elf"), "--name", "with-disk")
        anyvisor("launch", "with-disk", "--name", "one", "--memory", "32M", "--backend", "cloud-hypervisor", "--network", "none")
        check("qcow2" in anyvisor("standby", "one", fails="unsupported"), "the reason is not told")
        counts_on()
        anyvisor("delete", "--purge", "--force", "one")
        check(not os.listdir(f"{folder}/home/instances"), "something is left")
        wrong = pathlib.Path(f"{folder}/orders.wrong")
        check(not wrong.exists(), "requests that are not of the API: " + (wrong.read_text() if wrong.exists() else ""))


def a_vmm_that_ends_at_the_start():
    with Faulty() as faulty, Machine(faulty.subject) as machine:
        faulty.fault("vmm.ping", kind="dies")
        machine.attach()
        error = machine.refusal("machine.create", endpoints=[])
        check(error["kind"] == "backend_failed", f"it ended while it started: {error}")
        check(machine.runs_nothing(), "a VMM is left")
        faulty.fault()
        machine.create()


if __name__ == "__main__":
    suite.main(conformance_suite, each_fault_in_each_hop, replies_cut_anywhere, memory_that_cannot_be_saved_or_restored, from_the_command_line, the_way_over_vsock,
               a_guest_that_powers_off_before_v52, kvm_that_runs_no_guests, a_program_that_is_not_installed, a_vmm_that_ends_at_the_start)
