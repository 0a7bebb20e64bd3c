# SPDX-License-Identifier: MIT
"""A home folder in a temporary folder, and the built CLI on it."""

import glob
import json
import os
import shutil
import socket
import tempfile
import time

from harness import locks, processes, suite
from harness.suite import check

STATES = {"Stopped", "Created", "Running", "Paused", "Shutdown", "Standby", "Unknown"}
SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")

# What the leak checker, a process of its own at a program's end, says when SIGKILL takes the program away from under it.
LEAK_CHECK_WAS_KILLED = "Unable to get registers from thread"


class Result:
    def __init__(self, argv, code, out, err, elapsed):
        self.argv, self.code, self.out, self.err, self.elapsed = argv, code, out, err, elapsed

    def kind(self):
        """The error kind that the CLI reported with --format json; None when it succeeded or said something else."""
        for text in (self.err, self.out):
            try:
                return json.loads(text)["error"]["kind"]
            except (ValueError, KeyError, TypeError):
                pass
        return None

    def __str__(self):
        return f"{' '.join(self.argv[1:])}: exit code {self.code}\n{self.out}{self.err}"


class Home:
    """Used as a context manager: at its end whatever is left of the processes is killed and the folder removed."""

    def __init__(self, long_path=False):
        self.cli = suite.program("ANYVISOR_CLI")
        self.base = tempfile.mkdtemp(prefix="anyvisor-test-")
        folder = "/".join(["a-folder-with-quite-a-long-name-of-fifty-characters"] * 4 + ["home"]) if long_path else "home"
        self.path = os.path.join(self.base, folder)
        self.temporary = os.path.join(self.base, "tmp")
        os.makedirs(self.temporary)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, error=None, *_):
        processes.kill_all()
        reports = self.sanitizer_reports()
        shutil.rmtree(self.base, ignore_errors=True)
        check(error or not reports, f"sanitizers report:\n{reports[:6000]}")

    def environment(self, extra=None):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("ANYVISOR_", "XDG_")) or name == "ANYVISOR_DEBIAN_CACHE"}
        # A plugin-host's report would go into a log that is deleted with the instance.
        reports = {name: f"{os.environ.get(name, '')}:log_path={self.base}/sanitizer" for name in SANITIZERS}
        # libguestfs would make its appliance in TMPDIR, anew for each home: as many seconds as a launch.
        return {"LIBGUESTFS_CACHEDIR": "/var/tmp", **kept, **reports, "HOME": self.base, "TMPDIR": self.temporary,
                "LC_ALL": "C.UTF-8", **(extra or {})}

    def sanitizer_reports(self):
        texts = []
        for path in glob.glob(os.path.join(self.base, "sanitizer.*")):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts += [line for line in file if line.strip() and LEAK_CHECK_WAS_KILLED not in line]
        return "".join(texts)

    def begin(self, *arguments, env=None):
        """Starts the CLI. Its output goes to files; finish() reads them."""
        argv = [self.cli, "--home", self.path, *map(str, arguments)]
        out, err = (tempfile.NamedTemporaryFile("r", dir=self.base, prefix=name, errors="replace") for name in ("out-", "err-"))
        begin = time.monotonic()
        child = processes.start(argv, env=self.environment(env), stdout=out.fileno(), stderr=err.fileno())
        child.out, child.err, child.begin = out, err, begin
        return child

    def finish(self, child, limit=60):
        code = child.wait(suite.seconds(limit))
        elapsed = (child.ended_at or time.monotonic()) - child.begin
        texts = []
        for file in (child.out, child.err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        result = Result(child.argv, code, *texts, elapsed)
        if code is None:
            state = processes.state_of(child.pid)
            processes.send(child.pid, 9)
            raise AssertionError(f"{result}\nstill ran after {elapsed:.1f} s (process state {state})")
        return result

    def run(self, *arguments, env=None, limit=60, ok=True):
        """Runs the CLI to its end. `ok`: it must succeed."""
        result = self.finish(self.begin(*arguments, env=env), limit)
        check(result.code == 0 or not ok, str(result))
        return result

    def json(self, *arguments, **options):
        result = self.run(*arguments, "--format", "json", **options)
        try:
            return json.loads(result.out)
        except ValueError:
            raise AssertionError(f"no JSON: {result}") from None

    def import_tiny(self, name="tiny", disk=False):
        """The tiny guest's image; with a disk of 1 MiB (which the guest never looks at) when asked for."""
        arguments = ["--kernel", suite.program("ANYVISOR_TINY_GUEST"), "--name", name]
        if disk:
            path = os.path.join(self.base, name + ".raw")
            with open(path, "wb") as file:
                file.write(b"tiny".ljust(1 << 20, b"\0"))
            arguments.insert(0, path)
        return self.run("image", "import", *arguments)

    def launch(self, name, *arguments, image="tiny", network="none", **options):
        return self.run("launch", image, "--name", name, "--memory", "32M", "--network", network, *arguments, **options)

    def list(self):
        answer = self.json("list")
        instances = answer["instances"] if isinstance(answer, dict) else answer
        for instance in instances:
            check(instance["state"] in STATES, f"list answers a state that is none: {instance}")
        return instances

    def names(self):
        return sorted(instance["name"] for instance in self.list())

    def info(self, name):
        """The instance as JSON; None when there is none of that name."""
        result = self.run("info", name, "--format", "json", ok=False)
        if result.code != 0:
            check(result.kind() == "not_found", str(result))
            return None
        answer = json.loads(result.out)
        check(answer["state"] in STATES, f"info answers a state that is none: {answer}")
        return answer

    def console(self, name):
        return self.run("logs", name).out

    def folder(self, instance):
        return os.path.join(self.path, "instances", instance["id"])

    def files(self, cache=False):
        """Every file and folder below the home folder, as a set of relative paths."""
        found = set()
        for folder, folders, names in os.walk(self.path):
            relative = os.path.relpath(folder, self.path)
            if not cache and relative == ".":
                folders[:] = [name for name in folders if name != "cache"]
            found.update(os.path.normpath(os.path.join(relative, name)) for name in folders + names)
        return found

    def lock_files(self):
        return [os.path.join(folder, name) for folder, _, names in os.walk(self.path) for name in names
                if name == "lock" or name.endswith(".lock")]

    def stuck_locks(self):
        """Locks that are held although none but the plugin-hosts' own host.lock may be; waits a second for them."""
        stuck = []
        for path in self.lock_files():
            if not processes.until(lambda path=path: locks.is_free(path), suite.seconds(1)):
                owners = locks.holders(path, processes.descendants())
                if os.path.basename(path) != "host.lock" or not any(owner.program() == "plugin-host" for owner in owners):
                    stuck.append(f"{path} (open in: {', '.join(map(str, owners)) or 'nothing of this test'})")
        return stuck

    def mentions(self, text):
        """Files below the home folder that contain `text`."""
        found = []
        for folder, _, names in os.walk(self.path):
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        if text.encode() in file.read():
                            found.append(os.path.join(folder, name))
                except OSError:
                    pass  # a socket
        return found

    def check_no_process_left(self, limit=3):
        """Nothing of this home runs, and no zombie waits for a parent of ours."""
        gone = processes.until(lambda: not processes.descendants(), suite.seconds(limit))
        check(gone, "left behind: " + "; ".join(map(str, processes.descendants())))


def port_is_free(port, host="127.0.0.1"):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
            return True
        except OSError:
            return False
