# SPDX-License-Identifier: MIT
"""A host on which something is missing, full, taken or forbidden."""

import contextlib
import os
import shutil
import socket
import stat
import subprocess

from harness.file_system import Mounted
from harness.suite import Skip, check


@contextlib.contextmanager
def plain(_home, _names):
    yield


@contextlib.contextmanager
def variable(home, names, setting):
    """With an environment variable."""
    name, _, value = setting.partition("=")
    for word, stands_for in names.items():
        value = value.replace("{" + word + "}", stands_for)
    with home.with_environment({name: value}):
        yield


@contextlib.contextmanager
def without(home, _names, *programs):
    """With a PATH on which those programs are not."""
    folder = os.path.join(home.base, "bin")
    os.mkdir(folder)
    try:
        for path in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            for name in os.listdir(path):
                if not any(name.startswith(program) for program in programs) and not os.path.lexists(os.path.join(folder, name)):
                    os.symlink(os.path.join(path, name), os.path.join(folder, name))
        with home.with_environment({"PATH": folder}):
            yield
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def port_taken(_home, names):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        names["port"] = str(listener.getsockname()[1])
        yield


@contextlib.contextmanager
def mode(home, names, place, octal):
    """A file or folder has other permission bits."""
    for name, value in names.items():
        place = place.replace("{" + name + "}", value)
    path = os.path.join(home.base, place)
    before = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, int(octal, 8))
    try:
        yield
    finally:
        os.chmod(path, before)


@contextlib.contextmanager
def of_nobody(home, _names):
    """The home folder belongs to somebody else."""
    if os.geteuid() != 0:
        raise Skip("giving a folder away takes root")
    os.chown(home.path, 65534, 65534)
    try:
        yield
    finally:
        os.chown(home.path, 0, 0)


@contextlib.contextmanager
def read_only(home, _names):
    """The home folder is on a file system that is mounted read-only."""
    if os.geteuid() != 0:
        raise Skip("mounting takes root")
    for step in (["--bind", home.path, home.path], ["-o", "remount,bind,ro", home.path]):
        done = subprocess.run(["mount", *step], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"a read-only bind mount is not to be had here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", home.path], check=True)


@contextlib.contextmanager
def full(home, names):
    """Another home folder, on a file system with no room left."""
    with Mounted("tmpfs") as point:
        before, home.path = home.path, os.path.join(point, "home")
        names["full"] = home.path
        home.import_tiny()
        with open(os.path.join(point, "filler"), "wb") as filler:
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(1 << 16))
                    filler.flush()
        with open(os.path.join(home.base, "random.raw"), "wb") as disk:
            disk.write(os.urandom(1 << 20))
        try:
            yield
        finally:
            home.path = before


@contextlib.contextmanager
def vanished(home, names):
    """A running instance's folder was deleted by somebody, while it runs."""
    home.launch("lost")
    info = home.info("lost")
    names["lost"] = info["id"]
    shutil.rmtree(home.folder(info))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(info["vmm_pid"], 9)
        check(not home.info("lost"), "it is there again")


@contextlib.contextmanager
def elsewhere(home, _names, place):
    """That file of the test's folder is to be the home folder."""
    before, home.path = home.path, os.path.join(home.base, place)
    try:
        yield
    finally:
        home.path = before


@contextlib.contextmanager
def plugin(home, names, file):
    """That file of the test's folder is on the plugins' path, as a plugin."""
    folder = os.path.join(home.base, "plugins")
    os.mkdir(folder, 0o700)
    shutil.copy(os.path.join(home.base, file), os.path.join(folder, "anyvisor-odd.so"))
    names["plugins"] = folder
    try:
        with home.with_environment({"ANYVISOR_PLUGIN_PATH": folder}):
            yield
    finally:
        shutil.rmtree(folder)
