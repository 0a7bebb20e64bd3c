#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Under strace: every durable change of launch, start, stop, restart, standby, restore, set, rename, delete, recover, purge, clone and prepare lies inside a durable step, and an instance is
published when all of it is flushed (strace_log.py).

So a step that somebody adds without a name, which the sweep would not see, fails here.
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault import clones  # noqa: E402
from fault.operations import USER_DATA  # noqa: E402
from fault.strace_log import TRACED, Log  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check, seconds  # noqa: E402

# Each operation in each form; "$@" is the CLI with its home folder.
SCRIPT = """
set -e
"$@" launch with-disk --name guest --memory 32M --network user --publish 0:80
"$@" stop guest --force
"$@" start guest
"$@" clone guest --identity none --name running
"$@" standby guest
"$@" restore guest
"$@" standby guest --no-durable
"$@" start guest
"$@" standby guest
"$@" start guest --discard-memory
"$@" stop guest --timeout 1
"$@" set guest cpus=2 disk=8M
"$@" rename guest renamed
"$@" delete renamed
"$@" recover renamed
"$@" delete --all
"$@" purge
"$@" launch with-disk --name guest --memory 32M --network none --cloud-init "$USER_DATA"
"$@" restart guest --force
"$@" delete guest --force
"$@" recover guest
"$@" start guest
"$@" delete guest --force --purge
"""
CLONE_SCRIPT = """
set -e
"$@" prepare web
"$@" clone web --count 2
"$@" clone web --identity none
"$@" clone web --identity seed --rerun-user-data
"$@" clone web --keep hostname
"$@" clone web --dry-run
"$@" delete --purge web-clone1 web-clone2 web-clone3 web-clone4 web-clone5 web
"""


def strace():
    path = shutil.which("strace")
    if not path:
        raise Skip("strace is not installed")
    with open("/proc/self/status", encoding="utf-8") as file:
        if "TracerPid:\t0\n" not in file.read():
            raise Skip("this test itself is traced")
    probe = subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise Skip(f"strace cannot trace here: {probe.stderr.strip()}")
    return path


def trace(home, script):
    """Runs `script` with sh under strace, until all that it started has ended; returns the Log."""
    file = os.path.join(home.base, "strace")
    argv = [strace(), "-f", "-y", "-qq", "-s", "256", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", file, "sh", "-c", script, "sh",
            home.cli, "--home", home.path]
    said = os.path.join(home.base, "said")
    with open(said, "w", encoding="utf-8") as out:
        child = processes.start(argv, env=home.environment({"USER_DATA": USER_DATA, "ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"}), stdout=out, stderr=out)
    code = child.wait(seconds(100))
    with open(said, encoding="utf-8") as answers, open(file, encoding="utf-8", errors="replace") as lines:
        check(code == 0, f"the commands under strace ended with {code}: {answers.read()}")
        return Log(lines)


def every_change_inside_a_step():
    strace()
    with Home() as home:
        home.import_tiny("with-disk", disk=True)
        log = trace(home, SCRIPT)
        check(log.starts.get("plugin-host") and any(name.startswith("qemu-system") for name in log.starts),
              f"the trace does not show plugin-host and VMM: {log.starts}")
        check_log(log)


def check_log(log):
    print(f"  {sum(log.inside.values())} changes inside of {len(log.inside)} steps; programs started: {log.starts}")
    check(len(log.inside) > 5, f"hardly any step was seen: {log.inside}")
    check(not log.misnested, "points that do not pair: " + "\n  ".join(map(str, log.misnested)))
    check(log.published, "no instance was published")
    check(not log.early, "published too early:\n  " + "\n  ".join(map(str, log.early)))
    check(not log.outside, f"{len(log.outside)} changes outside of any step:\n  " + "\n  ".join(map(str, log.outside)))


def every_change_of_a_clone_inside_a_step():
    strace()
    with Home() as home:
        clones.use_stand_in(home)
        clones.import_image(home)
        clones.make_source(home)
        log = trace(home, CLONE_SCRIPT)
        check(log.starts.get("identity"), f"the trace does not show the identity worker: {log.starts}")
        check("clone.freeze" in log.inside and "prepare.record" in log.inside, f"steps: {sorted(log.inside)}")
        check_log(log)


def the_rule_can_fail():
    """The reader itself, on a trace with one change inside, one outside, a covered start and an uncovered one; and one file of two
    that is flushed before its instance is published."""
    log = Log('''
1 execve("/bin/sh", ["sh"], 0x1) = 0
1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
2 execve("/x/anyvisor", ["anyvisor"], 0x1) = 0
1 <... clone resumed>) = 2
2 write(-1, "anyvisor-point a.b:before", 25) = -1 EBADF (Bad file descriptor)
2 write(5</h/staging/i/a>, "a", 1) = 1
2 write(6</h/staging/i/b>, "b", 1) = 1
2 pwrite64(7</h/disks/d>, "d", 1, 0) = 1
2 fsync(5</h/staging/i/a>) = 0
2 renameat2(AT_FDCWD</>, "/h/staging/i", AT_FDCWD</>, "/h/instances/i", RENAME_NOREPLACE) = 0
2 rename("x", "y") = 0
2 vfork( <unfinished ...>
3 rename("p.tmp", "process.json") = 0
3 execve("/x/plugin-host", ["plugin-host"], 0x1 <unfinished ...>
2 <... vfork resumed>) = 3
3 <... execve resumed>) = 0
2 write(-1, "anyvisor-point a.b:after", 24) = -1 EBADF (Bad file descriptor)
2 unlink("gone") = -1 ENOENT (No such file or directory)
3 fsync(5) = 0
2 vfork() = 4
4 execve("/usr/bin/qemu-img", ["qemu-img"], 0x1) = 0
4 unlink("its own business") = 0
'''.splitlines())
    outside = [finding.line.split("(")[0] for finding in log.outside]
    check(outside == ["fsync", "execve"], f"outside: {list(map(str, log.outside))}")
    check(log.inside == {"a.b": 5}, f"inside: {log.inside}")
    check([finding.line.split(" ")[0] for finding in log.early] == ["/h/disks/d", "/h/staging/i/b"], f"early: {list(map(str, log.early))}")
    check(log.starts == {"plugin-host": 1, "qemu-img": 1}, f"starts: {log.starts}")


if __name__ == "__main__":
    suite.main(the_rule_can_fail, every_change_inside_a_step, every_change_of_a_clone_inside_a_step)
