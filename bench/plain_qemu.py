# SPDX-License-Identifier: MIT
"""Plain QEMU with the very devices of a running anyvisor guest: its own command line again, its descriptors made anew.

What anyvisor passes by descriptor (the instance's folder, listening sockets, guest memory) is made again here before the clock starts, so plain QEMU
is given every advantage. `-S` goes away: nobody is there to say `cont`.
"""

import contextlib
import fcntl
import os
import re
import socket
import time


def read_command_line(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        argv = [part.decode() for part in file.read().split(b"\0")[:-1]]
    executable = os.readlink(f"/proc/{pid}/exe")
    return [executable] + [argument for argument in argv[1:] if argument != "-S"]


class PlainQemu:
    def __init__(self, vmm_pid, instance_folder, folder, replaced=()):
        """Takes the running VMM as the model; `folder`: where the copy's sockets and logs go. `replaced`: pairs of paths, (the
        model's, the copy's)."""
        self.argv = [argument.replace(instance_folder, folder) for argument in read_command_line(vmm_pid)]
        for old, new in replaced:
            self.argv = [argument.replace(old, new) for argument in self.argv]
        self.folder = folder
        self.targets = {}  # descriptor number -> what it was
        for number in sorted({int(found) for argument in self.argv for found in re.findall(r"(?:/proc/self/fd/|\bfd=)(\d+)", argument)}):
            self.targets[number] = os.readlink(f"/proc/{vmm_pid}/fd/{number}")
        self.memory = {number: os.stat(f"/proc/{vmm_pid}/fd/{number}").st_size
                       for number, target in self.targets.items() if target.startswith("/memfd:")}
        self.instance_folder = instance_folder
        os.makedirs(os.path.join(folder, "logs"), exist_ok=True)
        for name in ("kernel", "initrd", "seed.iso"):
            source = os.path.join(instance_folder, name)
            if os.path.exists(source) and not os.path.exists(os.path.join(folder, name)):
                os.link(source, os.path.join(folder, name))

    def _open(self, number):
        if self.targets[number].startswith("socket:"):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.join(self.folder, f"{number}.sock"))
                listener.listen()
                return listener.detach()
        if number in self.memory:
            descriptor = os.memfd_create("plain")
            os.ftruncate(descriptor, self.memory[number])
            return descriptor
        return os.open(self.targets[number].replace(self.instance_folder, self.folder), os.O_RDONLY)

    def time_to_first_line(self, limit=30):
        """Seconds from exec to the first whole line in the console's log."""
        log = os.path.join(self.folder, "logs", "console.log")
        with self.running() as begin:
            return wait_for_line(log, begin, limit)

    @contextlib.contextmanager
    def running(self):
        """Started; gives the time of its exec. Ended at the end of the block."""
        log = os.path.join(self.folder, "logs", "console.log")
        for name in os.listdir(self.folder):
            if name.endswith(".sock"):
                os.remove(os.path.join(self.folder, name))
        if os.path.exists(log):
            os.remove(log)
        opened = [(self._open(number), number) for number in self.targets]
        # dup2 onto itself keeps close-on-exec: move what stands in its own place, or in another's, away first.
        actions = [(os.POSIX_SPAWN_OPEN, target, os.devnull, os.O_RDWR, 0) for target in (0, 1, 2)]
        high = {number: _dup_above(descriptor, 100) for descriptor, number in opened}
        actions += [(os.POSIX_SPAWN_DUP2, source, number) for number, source in high.items()]
        begin = time.monotonic()
        pid = os.posix_spawn(self.argv[0], self.argv, {"PATH": os.environ["PATH"]}, file_actions=actions, setsid=True)
        try:
            yield begin
        finally:
            try:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it failed to start, or the harness' reaper was faster
            for descriptor in [descriptor for descriptor, _ in opened] + list(high.values()):
                os.close(descriptor)


def _dup_above(descriptor, least):
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)


def wait_for_line(log, begin, limit):
    while True:
        try:
            with open(log, "rb") as file:
                if b"\n" in file.read(64):
                    return time.monotonic() - begin
        except FileNotFoundError:
            pass
        if time.monotonic() - begin > limit:
            raise TimeoutError(f"no line in {log} after {limit} s")
        time.sleep(0.0005)
