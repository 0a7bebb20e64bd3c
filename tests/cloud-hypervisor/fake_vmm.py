#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands in for the program cloud-hypervisor, v53, or an older one that ANYVISOR_FAKE_VMM_VERSION names: its command line, its API with a state machine behind it, and a guest that
counts on its console. Faults on demand: ANYVISOR_FAKE_VMM names a JSON file, read at each request (see `fault`).

Every request is checked: method, path, and the body member by member against what the project's description of its API (v53)
says; a request that breaks it is answered with 400 and written to <that file>.wrong. What this does not prove: that the real
program behaves so. Its timing, its order of events and its errors' texts are imitated from v53.0; no memory, no disk, no KVM
is behind it. tests/cloud-hypervisor/real_vmm_test.py is where the real one runs.
"""

import json
import os
import pathlib
import re
import socket
import sys
import threading
import time

VERSION = os.environ.get("ANYVISOR_FAKE_VMM_VERSION", "v53.0")
MAJOR = int(VERSION[1:].split(".")[0])
TEXT, NUMBER, FLAG = str, int, bool
# The members that the plugin may use, from the official description; "!" marks what is required there.
VM_CONFIG = {
    "cpus": {"boot_vcpus!": NUMBER, "max_vcpus!": NUMBER},
    "memory": {"size!": NUMBER, "shared": FLAG, "hotplug_size": NUMBER},
    "payload!": {"firmware": TEXT, "kernel": TEXT, "cmdline": TEXT, "initramfs": TEXT},
    "disks": [{"path": TEXT, "readonly": FLAG, "id": TEXT, "backing_files": FLAG,
               "image_type": ("FixedVhd", "Qcow2", "Raw", "Vhdx", "Unknown")}],
    "net": [{"tap": TEXT, "mac": TEXT, "id": TEXT}],
    "rng": {"src!": TEXT},
    "serial": {"mode!": ("Off", "Pty", "Tty", "File", "Socket", "Null"), "file": TEXT, "socket": TEXT},
    "console": {"mode!": ("Off", "Pty", "Tty", "File", "Socket", "Null")},
    "platform": {"uuid": TEXT},
    "vsock": {"cid!": NUMBER, "socket!": TEXT, "id": TEXT},
    "landlock_enable": FLAG,
    "landlock_rules": [{"path!": TEXT, "access!": TEXT}],
}
DISK_CONFIG = VM_CONFIG["disks"][0]
REQUESTS = {
    "vm.add-disk": ("PUT", DISK_CONFIG), "vm.remove-device": ("PUT", {"id": TEXT}),
    "vm.resize": ("PUT", {"desired_vcpus": NUMBER, "desired_ram": NUMBER, "desired_balloon": NUMBER}),
    "vmm.ping": ("GET", None), "vmm.shutdown": ("PUT", None), "vm.info": ("GET", None), "vm.create": ("PUT", VM_CONFIG),
    "vm.boot": ("PUT", None), "vm.pause": ("PUT", None), "vm.resume": ("PUT", None), "vm.delete": ("PUT", None),
    "vm.power-button": ("PUT", None), "vm.snapshot": ("PUT", {"destination_url": TEXT}),
    "vm.restore": ("PUT", {"source_url!": TEXT, "prefault": FLAG, "memory_restore_mode": ("Copy", "OnDemand"), "resume": FLAG}),
}


# What came later than v40, by its release notes.
if MAJOR < 52:
    del REQUESTS["vm.restore"][1]["memory_restore_mode"], REQUESTS["vm.restore"][1]["resume"]
if MAJOR < 51:
    del DISK_CONFIG["image_type"], DISK_CONFIG["backing_files"]
if MAJOR < 41:
    del VM_CONFIG["landlock_enable"], VM_CONFIG["landlock_rules"]


class Refused(Exception):
    def __init__(self, status, *causes):
        super().__init__(": ".join(causes))
        self.status, self.causes = status, causes


def breach(value, form, where):
    """What of `value` is not of this form, or None."""
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{where} is no object"
        known = {name.rstrip("!"): part for name, part in form.items()}
        missing = [name for name in form if name.endswith("!") and name[:-1] not in value]
        unknown = [name for name in value if name not in known]
        if missing or unknown:
            return f"{where}: missing {missing}, unknown {unknown}"
        return next(filter(None, (breach(value[name], known[name], f"{where}/{name}") for name in value)), None)
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{where} is no array"
        return next(filter(None, (breach(item, form[0], f"{where}/{i}") for i, item in enumerate(value))), None)
    if isinstance(form, tuple):
        return None if value in form else f"{where} is none of {form}"
    right = isinstance(value, form) and not (form is NUMBER and isinstance(value, bool))
    return None if right else f"{where} is no {form.__name__}"


class Vmm:
    """The machine in it, its guest, and what the outside hears of both."""

    def __init__(self, events, no_shutdown):
        self.events, self.no_shutdown = events, no_shutdown
        self.lock = threading.Lock()
        self.config, self.state, self.count, self.vsock = None, None, 0, None
        threading.Thread(target=self.guest, daemon=True).start()

    def tell(self, source, event):
        text = json.dumps({"timestamp": {"secs": 0, "nanos": 0}, "source": source, "event": event, "properties": None}, indent=2)
        try:
            os.write(self.events, text.encode() + b"\n\n")
        except OSError:
            pass  # nobody reads

    def guest(self):
        while True:
            time.sleep(0.005)
            with self.lock:
                if self.state != "Running":
                    continue
                if "poweroff" in self.config["payload"].get("kernel", ""):
                    os.write(1, b"off\n")
                    self.power_off()
                else:
                    self.count += 1
                    os.write(1, b"%08x\n" % self.count)

    def power_off(self):
        self.state = "Created"
        self.tell("vm", "shutdown")
        if not self.no_shutdown:
            lingers = float(os.environ.get("ANYVISOR_FAKE_VMM_LINGERS", "0"))  # it may still answer for a moment
            if not lingers:
                os._exit(0)
            threading.Timer(lingers, os._exit, (0,)).start()

    def need(self, *states):
        if self.config is None:
            raise Refused(404, "Error from API", "The VM is not created")
        if self.state not in states:
            raise Refused(500, "Error from API", "The VM could not do that", f"InvalidStateTransition({self.state})")

    def info(self):
        self.need("Created", "Running", "Paused")
        return {"config": self.config, "state": self.state, "memory_actual_size": self.config["memory"]["size"]}

    def open_vsock(self):
        """Its socket, on which no port of the guest's answers."""
        if "vsock" not in self.config or self.vsock:
            return
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(self.config["vsock"]["socket"])
        except OSError as error:
            raise Refused(500, "Error from API", "The VM could not boot", f"Error binding to the host-side Unix socket: {error}") from error
        listener.listen()
        self.vsock = listener

        def hang_up():
            while True:
                listener.accept()[0].close()
        threading.Thread(target=hang_up, daemon=True).start()

    def create(self, config):
        if self.config is not None:
            raise Refused(500, "Error from API", "VM is already created")
        self.config, self.state = config, "Created"

    def boot(self):
        self.need("Created")
        self.open_vsock()
        self.state, self.count = "Running", 0
        self.tell("vm", "booted")

    def pause(self):
        self.need("Running")
        self.state = "Paused"
        self.tell("vm", "paused")

    def resume(self):
        self.need("Paused")
        self.state = "Running"
        self.tell("vm", "resumed")

    def press_button(self):
        self.need("Running", "Paused")

    def snapshot(self, folder):
        self.need("Paused")
        try:
            for name, text in (("config.json", json.dumps(self.config)), ("state.json", json.dumps({"count": self.count})),
                               ("memory-ranges", "m" * 8192)):
                with open(folder / name, "x", encoding="ascii") as file:
                    file.write(text)
        except OSError as error:
            raise Refused(500, "Error from API", "The VM could not be snapshotted", str(error)) from error

    def restore(self, folder):
        if self.config is not None:
            raise Refused(500, "Error from API", "VM is already created")
        try:
            self.config = json.loads((folder / "config.json").read_text())
            self.count = json.loads((folder / "state.json").read_text())["count"]
        except (OSError, ValueError) as error:
            raise Refused(500, "Error from API", "The VM could not be restored", str(error)) from error
        self.open_vsock()
        self.state = "Paused"

    def answer(self, action, body):
        with self.lock:
            if action == "vmm.ping":
                return {"build_version": VERSION, "version": VERSION, "pid": os.getpid(), "features": ["kvm"]}
            if action == "vm.info":
                return self.info()
            if action == "vm.create":
                self.create(body)
            elif action == "vm.snapshot":
                self.snapshot(pathlib.Path(body["destination_url"].removeprefix("file://")))
            elif action == "vm.restore":
                self.restore(pathlib.Path(body["source_url"].removeprefix("file://")))
            elif action == "vm.add-disk":
                self.need("Created", "Running", "Paused")
                self.config.setdefault("disks", []).append(body)
                return {"id": body["id"], "bdf": "0000:00:07.0"}
            elif action == "vm.remove-device":
                self.need("Created", "Running", "Paused")
                self.config["disks"] = [disk for disk in self.config.get("disks", []) if disk["id"] != body["id"]]
            elif action == "vm.resize":
                self.need("Running")
                self.config["cpus"]["boot_vcpus"] = body.get("desired_vcpus", self.config["cpus"]["boot_vcpus"])
            elif action == "vm.delete":
                self.config = self.state = None
            elif action != "vmm.shutdown":
                {"vm.boot": self.boot, "vm.pause": self.pause, "vm.resume": self.resume, "vm.power-button": self.press_button}[action]()
        return None


def fault_in(orders, action):
    """{"ACTION": {"kind": "slow", "ms"} | "half" (hangs up after "at" bytes) | "stall" (says no more after "at" bytes) |
    "garbage" | "wrong json" | "500" | "no on-demand" (of a restore) | "gone" (hangs up unheard) | "dies" | "extra" (members that nobody knows)}
    The action "probe" is a start with a kernel on the command line: "dies"."""
    try:
        return json.loads(orders.read_text()).get(action, {})
    except (AttributeError, OSError, ValueError):
        return {}


def probe(arguments, orders):
    """A guest from the command line, without an API: KVM's probe. It runs well, unless told otherwise."""
    wanted = {"--kernel", "--memory", "--cpus", "--serial", "--console"}
    if set(arguments[::2]) != wanted or pathlib.Path(arguments[arguments.index("--kernel") + 1]).read_bytes()[:4] != b"\x7fELF":
        sys.exit(f"error: unexpected arguments {arguments}")
    if fault_in(orders, "probe"):
        sys.exit("VM could not be booted: the KVM here is made up")
    print("anyvisor-probe-ok")


class Api:
    def __init__(self, listener, vmm, orders):
        self.listener, self.vmm = listener, vmm
        self.orders = orders

    def wrong(self, what):
        if self.orders:
            with open(f"{self.orders}.wrong", "a", encoding="utf-8") as file:
                file.write(what + "\n")
        raise Refused(400, what)

    def checked(self, head, body):
        lines = head.decode("ascii").split("\r\n")
        line = re.fullmatch(r"(GET|PUT) /api/v1/([a-z.-]+) HTTP/1\.1", lines[0])
        if not line or line[2] not in REQUESTS:
            self.wrong(f"no such request: {lines[0]}")
        method, form = REQUESTS[line[2]]
        if line[1] != method:
            self.wrong(f"{line[2]} is a {method}")
        if form is None:
            if body:
                self.wrong(f"{line[2]} takes no body: {body[:200]!r}")
            return None
        try:
            document = json.loads(body)
        except ValueError:
            self.wrong(f"the body of {line[2]} is no JSON: {body[:200]!r}")
        found = breach(document, form, line[2])
        if found:
            self.wrong(found)
        return document

    @staticmethod
    def reply(status, document):
        body = json.dumps(document).encode() if document is not None else b""
        head = f"HTTP/1.1 {status} \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n"
        if document is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def serve(self):
        while True:
            stream, _ = self.listener.accept()
            with stream:
                self.one(stream)

    def one(self, stream):
        data = b""
        while b"\r\n\r\n" not in data:
            part = stream.recv(65536)
            if not part:
                return
            data += part
        head, body = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"Content-Length: (\d+)", head)
        while length and len(body) < int(length[1]):
            part = stream.recv(65536)
            if not part:
                return
            body += part
        action = head.split(b" ")[1].rsplit(b"/", 1)[1].decode()
        fault = fault_in(self.orders, action)
        kind = fault.get("kind")
        if kind == "dies":
            os._exit(1)
        if kind == "gone":
            return
        if kind == "slow":
            time.sleep(fault["ms"] / 1000)
        try:
            if kind == "500":
                raise Refused(500, "the fake has been told to fail")
            request = self.checked(head, body)
            if kind == "no on-demand" and request.get("memory_restore_mode") == "OnDemand":
                raise Refused(500, "Error from API", "The VM could not be restored", "userfaultfd is not there")
            document = self.vmm.answer(action, request)
            if kind == "extra" and document is not None:
                document = {"unknown": [1, {"state": "Nothing"}], **document, "another": None}
            answer = self.reply(204 if document is None else 200, document)
            if kind == "wrong json":
                answer = self.reply(200, "{").replace(b'"{"', b"{{{")
        except Refused as refused:
            answer = self.reply(refused.status, list(refused.causes))
        if kind == "garbage":
            answer = b"\x00\xffthis is no HTTP\r\n\r\n" * 3
        if kind in ("half", "stall"):
            answer = answer[:fault["at"]]
        try:
            stream.sendall(answer)
        except OSError:
            return  # who asked has gone
        if kind == "stall":
            stream.recv(1)  # until who asked has given up
        if action == "vmm.shutdown" and kind is None:
            os._exit(0)


def main(arguments):
    if arguments == ["--version"]:
        print("cloud-hypervisor " + VERSION)
        return
    orders = os.environ.get("ANYVISOR_FAKE_VMM")
    orders = pathlib.Path(orders) if orders else None
    if "--kernel" in arguments:
        probe(arguments, orders)
        return
    values = {}
    while arguments:
        name = arguments.pop(0)
        values[name] = arguments.pop(0) if name in ("--api-socket", "--event-monitor", "--seccomp") else True
    known = {"--api-socket", "--event-monitor", "--seccomp"} | ({"--no-shutdown"} if MAJOR >= 52 else set())
    unknown = set(values) - known
    if unknown:
        sys.exit(f"error: unexpected argument {unknown}")
    descriptor = {name: int(re.fullmatch(r"fd=(\d+)", values[name])[1]) for name in ("--api-socket", "--event-monitor")}
    vmm = Vmm(descriptor["--event-monitor"], "--no-shutdown" in values)
    Api(socket.socket(fileno=descriptor["--api-socket"]), vmm, orders).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
