# SPDX-License-Identifier: MIT
"""A client of the plugin-host's protocol (ARCHITECTURE.md): for this suite and for the tests of the project."""

import json
import os
import select
import socket
import subprocess
import time


# Descriptor 3 is to be the child's socket: nothing of subprocess's own may have that number.
try:
    os.fstat(3)
except OSError:
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 3)


# A sanitizer must not turn a plugin's crash into an exit code of its own: what is told of it is the signal.
for _name in ("ASAN_OPTIONS", "TSAN_OPTIONS"):
    os.environ[_name] = ":".join(filter(None, [os.environ.get(_name), "handle_segv=0:handle_abort=0"]))


class Ended(Exception):
    """The plugin-host closed the connection."""


class Silent(Exception):
    """The plugin-host did not answer in time."""


class Failed(Exception):
    """It answered with an error: the document is in .error."""

    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.error = error


class PluginHost:
    """One plugin-host: on a socket pair, or, with `folder`, that of an instance."""

    def __init__(self, program, plugins, folder=None, environment=None, hello=True):
        command = [program]
        for plugin in plugins:
            command += ["--plugin", str(plugin)]
        environment = dict(os.environ, **(environment or {}))
        if folder is None:
            self.socket, theirs = socket.socketpair()
            self.process = subprocess.Popen(command + ["--connection", "3"], pass_fds=(3,), env=environment,
                                            preexec_fn=lambda: os.dup2(theirs.fileno(), 3), stdin=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
            theirs.close()
        else:
            self.process = subprocess.Popen(command + ["--instance", str(folder)], env=environment,
                                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.socket = self._connect(os.path.join(folder, "host.sock"))
        self.buffer = b""
        self.progress = []
        self.number = 0
        if hello:
            self.hello = self.line(10)["hello"]
            self.send({"hello": {key: value for key, value in self.hello.items() if key != "pid"}})

    def _connect(self, path):
        until = time.monotonic() + 10
        while True:
            stream = socket.socket(socket.AF_UNIX)
            try:
                stream.connect(path)
                return stream
            except (FileNotFoundError, ConnectionRefusedError):
                stream.close()
                if time.monotonic() > until or self.process.poll() is not None:
                    raise Silent(f"nobody listens on {path}")
                time.sleep(0.01)

    def send(self, document):
        try:
            self.socket.sendall(json.dumps(document).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            raise Ended(f"exit status {self.process.wait(10)}")

    def line(self, limit):
        """The next line as a document, within `limit` seconds."""
        until = time.monotonic() + limit
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.socket], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise Silent(f"no answer within {limit} s")
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Ended(f"exit status {self.process.wait(10)}")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(text)

    def begin(self, method, params, deadline_ms=5000):
        self.number += 1
        self.progress = []
        self.send({"id": self.number, "method": method, "params": params, "deadline_ms": deadline_ms})

    def finish(self, limit=10):
        while True:
            answer = self.line(limit)
            if answer.get("id") != self.number:
                continue
            if "progress" in answer:
                self.progress.append(answer["progress"])
            elif "error" in answer:
                raise Failed(answer["error"])
            else:
                return answer["result"]

    def call(self, method, params=None, deadline_ms=5000, limit=10):
        self.begin(method, params or {}, deadline_ms)
        return self.finish(limit)

    def cancel(self):
        self.send({"cancel": self.number})

    def close(self):
        """Hangs up, and ends what does not end by itself. Its exit status."""
        self.socket.close()
        try:
            status = self.process.wait(3)
        except subprocess.TimeoutExpired:
            status = self._kill()
        return status

    def kill(self):
        self._kill()
        self.socket.close()

    def _kill(self):
        self.process.kill()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            raise Silent(f"process {self.process.pid}, killed, is still there after 30 s")
