# SPDX-License-Identifier: MIT
"""Processes of a test, by kinship.

become_subreaper() makes this process the parent of every orphan below it, and a thread reaps them as init would: so every
program that a test started, directly or not, is a descendant until it ends. What a subprocess.Popen of the test waits for
is left to it: a Popen whose child somebody else has reaped takes the exit code for 0.
"""

import ctypes
import os
import signal
import subprocess
import threading
import time
import weakref

PR_SET_CHILD_SUBREAPER = 36

_lock = threading.RLock()
_own = {}  # pid -> Child, those started by start()
_waited_for = weakref.WeakValueDictionary()  # pid -> the Popen that waits for it
_started = False
_reaping = threading.Event()


class Child:
    """A program that start() started. Its output goes to files, so that whoever inherits them holds nobody up."""

    def __init__(self, argv, pid):
        self.argv, self.pid = argv, pid
        self.code = None  # exit code, or minus the signal
        self.ended_at = None  # as time.monotonic() tells
        self._ended = threading.Event()

    def ended(self):
        return self._ended.is_set()

    def wait(self, timeout):
        """The exit code; None when it still runs after `timeout` seconds."""
        return self.code if self._ended.wait(timeout) else None


def become_subreaper():
    global _started
    if _started:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    _started = True
    _note_popens()
    _reaping.set()
    threading.Thread(target=_reap, daemon=True).start()


def _note_popens():
    """From now on every Popen is written down before its child can be reaped."""
    begin = subprocess.Popen.__init__

    def begin_and_note(popen, *arguments, **options):
        with _lock:
            begin(popen, *arguments, **options)
            _waited_for[popen.pid] = popen

    subprocess.Popen.__init__ = begin_and_note


def _is_waited_for(pid):
    popen = _waited_for.get(pid)
    return popen is not None and popen.returncode is None


def _ended_children():
    """Those that no one has waited for yet, the first and those that it hides."""
    seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    if not _is_waited_for(seen.si_pid):
        return [seen.si_pid]
    time.sleep(0.002)  # its Popen's turn
    return [pid for pid, process in all_processes().items() if process.parent == os.getpid() and process.state == "Z"]


def _reap():
    while True:
        if not _reaping.is_set():
            for pid in list(_own):
                _collect(pid)
            time.sleep(0.005)
            continue
        try:
            # Seen first and collected under the lock: who starts a process holds it until it has written down whose pid this is.
            ended = _ended_children()
        except ChildProcessError:
            time.sleep(0.002)
            continue
        for pid in ended if _reaping.is_set() else ():
            _collect(pid)


def _collect(pid):
    with _lock:
        if _is_waited_for(pid):
            return
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return  # the test itself has waited for it
        child = _own.pop(pid, None) if ended else None
    if child:
        child.ended_at = time.monotonic()
        child.code = os.waitstatus_to_exitcode(status)
        child._ended.set()


class unreaped:
    """While this is entered nobody collects orphans, only what start() started: the world of a container whose pid 1 does not."""

    def __enter__(self):
        _reaping.clear()

    def __exit__(self, *_):
        _reaping.set()


def start(argv, env=None, cwd=None, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
    become_subreaper()
    with _lock:
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr)
        process.returncode = 0  # Popen shall never wait for it: the reaper does
        child = Child(argv, process.pid)
        _own[process.pid] = child
    return child


class Seen:
    """A process as /proc shows it."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
        self.name = text[text.index(b"(") + 1:text.rindex(b")")].decode(errors="replace")
        fields = text[text.rindex(b")") + 2:].split()
        self.state, self.parent, self.start_time = fields[0].decode(), int(fields[1]), int(fields[19])

    def arguments(self):
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:
                return [part.decode(errors="replace") for part in file.read().split(b"\0")[:-1]]
        except OSError:
            return []

    def program(self):
        """File name of its executable; of a zombie, its short name."""
        try:
            return os.path.basename(os.readlink(f"/proc/{self.pid}/exe"))
        except OSError:
            return self.name

    def is_vmm(self):
        return self.program().startswith("qemu-system")

    def __str__(self):
        return f"{self.pid} {self.program()} ({self.state}) {' '.join(self.arguments())[:200]}"


def all_processes():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = Seen(int(entry))
            except (OSError, ValueError):
                pass  # it has ended meanwhile
    return found


def descendants(of=None):
    """Everything below this process (or `of`), zombies too."""
    everything = all_processes()
    children = {}
    for process in everything.values():
        children.setdefault(process.parent, []).append(process)
    found, todo = [], [of or os.getpid()]
    while todo:
        for process in children.get(todo.pop(), []):
            found.append(process)
            todo.append(process.pid)
    return found


def vmms():
    return [process for process in descendants() if process.state != "Z" and process.is_vmm()]


def plugin_hosts():
    return [process for process in descendants() if process.state != "Z" and process.program() == "plugin-host"]


def is_alive(pid):
    try:
        return Seen(pid).state not in "ZX"
    except (OSError, ValueError):
        return False


def state_of(pid):
    """The letter of /proc/PID/stat; None when there is no such process."""
    try:
        return Seen(pid).state
    except (OSError, ValueError):
        return None


def send(pid, number):
    """A signal to a process of ours; False when it has gone."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def kill_all(timeout=5):
    """Ends everything below this process, one by one."""
    limit = time.monotonic() + timeout
    while True:
        left = [process for process in descendants() if process.state != "Z"]
        if not left:
            return
        if time.monotonic() > limit:
            raise RuntimeError("cannot end: " + "; ".join(map(str, left)))
        for process in left:
            send(process.pid, signal.SIGKILL)
        time.sleep(0.01)


def until(condition, timeout, pause=0.01):
    """Waits for `condition` to be true and returns its value; the last (false) one when it does not get true in time."""
    limit = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > limit:
            return value
        time.sleep(pause)
