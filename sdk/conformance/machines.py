# SPDX-License-Identifier: MIT
"""One machine under test: its folder as the core would make it, a plugin-host for it, and what its console shows."""

import json
import os
import pathlib
import re
import signal
import time
import uuid

import schema
from outcome import Failure, check
from plugin_host import Failed, PluginHost

MEMORY = 32 << 20
LINE = re.compile(rb"[0-9a-f]{8}")


def alive(pid):
    """There, and no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds):
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return found


class Machine:
    """Used as a context manager: at its end no VMM and no plugin-host is left.

    `subject` is the backend under test (subject.py). `document`: what differs from a small machine that boots the tiny guest.
    """

    def __init__(self, subject, **document):
        self.subject = subject
        self.id = str(uuid.uuid4())
        self.folder = subject.home / "instances" / self.id
        (self.folder / "logs").mkdir(parents=True)
        self.document = {"id": self.id, "name": "conformance", "folder": str(self.folder), "cpus": 1,
                         "memory": {"size": MEMORY}, "boot": {"method": "kernel", "kernel": str(subject.guests / "tiny.elf")},
                         "disks": [], **document}
        self.host, self.attached = None, False
        self.pids = set()

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        left = self._end()
        if error is None and left:
            raise Failure("afterwards there is left: " + ", ".join(left))

    def attach(self):
        """A plugin-host of this machine; the state that it answers."""
        self.host, self.attached = PluginHost(self.subject.program, self.subject.plugins, folder=self.folder), False
        state = self.call("machine.attach", **self.attachment())["state"]
        self.attached = True
        return state

    def attachment(self):
        return {"backend": self.subject.id, "settings": self.subject.settings,
                "networks": {name: {} for name in self.subject.networks}, "machine": self.document}

    def call(self, method, /, deadline=None, **params):
        """`deadline` in seconds, before the time factor; the suite's own limit is longer."""
        seconds = self.subject.seconds(deadline or 20)
        return self.host.call(method, params, deadline_ms=int(seconds * 1000), limit=seconds + 10)

    def refusal(self, method, /, **params):
        """The error with which it answers; that it does not is a failure."""
        try:
            reply = self.call(method, **params)
        except Failed as failed:
            check(failed.error.get("message"), f"{method} fails without a message: {failed.error}")
            return failed.error
        raise Failure(f"{method} answers {reply} where an error was due")

    def create(self, *endpoints):
        if not self.host:
            check(self.attach() == "stopped", "a machine without a VMM is not stopped")
        reply = self.call("machine.create", endpoints=list(endpoints))
        self.pids.add(self.pid())
        check(reply["state"] == "created", f"create leads to {reply}")
        return reply

    def save(self, **place):
        reply = self.call("machine.save", **place)
        wrong = schema.problems(reply, "save-reply")
        check(not wrong, f"save answers {wrong}")
        check(reply["state"] in ("paused", "standby"), f"save leads to {reply}")
        return reply

    def restore(self, **place):
        """By another plugin-host, which knows what the documents say and no more."""
        self.document["hardware"] = self.record()["hardware"]
        self.kill_host()
        check(self.attach() == "stopped", "a machine without a VMM is not stopped")
        reply = self.call("machine.restore", endpoints=[], **place)
        self.pids.add(self.pid())
        check(reply["state"] == "paused", f"restore leads to {reply}")
        return reply

    def boot(self):
        reply = self.call("machine.boot")
        check(reply["state"] == "running", f"boot leads to {reply}")
        return reply

    def start(self, *endpoints):
        self.create(*endpoints)
        self.boot()
        return self

    def state(self):
        return self.call("machine.state")["state"]

    def expect(self, state):
        now = self.call("machine.state")
        check(now["state"] == state, f"the state is {now}, not {state}")

    def terminate(self, force=True):
        reply = self.call("machine.terminate", force=force, grace_ms=int(self.subject.seconds(5) * 1000))
        check(reply["state"] == "stopped", f"terminate leads to {reply}")
        check(not any(map(alive, self.pids)), "terminate answers before the VMM has gone")
        return reply

    def record(self):
        path = self.folder / "process.json"
        return json.loads(path.read_text()) if path.exists() else None

    def pid(self):
        record = self.record()
        check(record and record.get("pid"), "there is no process record")
        return record["pid"]

    def runs_nothing(self):
        record = self.record()
        return not (record and alive(record["pid"]))

    def kill_host(self):
        self.host.kill()
        self.host = None

    # The console: what the guest has written since the machine was made, through all of its starts.

    def console(self):
        path = self.folder / "logs/console.log"
        return path.read_bytes() if path.exists() else b""

    def wait_for_text(self, text, times=1, seconds=20):
        found = wait_until(lambda: self.console().count(text) >= times, self.subject.seconds(seconds))
        check(found, f"the guest does not say {text!r} {times} times; it says {self.console()[-120:]!r}")

    def count(self):
        """How far the tiny guest has counted since its last start; fails where a number is missing or out of order."""
        lines = [line for line in self.console().split(b"\n")[:-1] if line]
        run = []
        for line in lines:
            check(LINE.fullmatch(line), f"the console has a broken line: {line!r}")
            number = int(line, 16)
            if number == 1:
                run = []
            check(number == len(run) + 1, f"the console has a hole: after {len(run)} comes {number}")
            run.append(number)
        return len(run)

    def wait_for_count(self, above, seconds=20):
        check(wait_until(lambda: self.count() > above, self.subject.seconds(seconds)),
              f"the guest's counter stays at {self.count()}")
        return self.count()

    def _end(self):
        """Ends what runs; a list of what should not have been left after that."""
        left = []
        if self.host:
            try:
                if self.attached:
                    self.call("machine.terminate", force=True, grace_ms=0)
            except Exception as problem:  # it is killed below, and told
                left.append(f"a plugin-host that cannot end its machine ({problem})")
            if status := self.host.close():
                left.append(f"a plugin-host that does not end well when its client has gone (exit status {status})")
        for pid in self.pids | ({self.record()["pid"]} if self.record() else set()):
            if alive(pid):
                left.append(f"the VMM, process {pid}")
                os.kill(pid, signal.SIGKILL)
        return left
