#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real Debian guest by the commands that people use: launch, wait, exec, copy, stop, start, delete; and by firmware.

Three boots in all: the first with everything in it, a restart, and one by firmware.
"""

import filecmp
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from guest import debian_live_clone_checks as live_clone_checks  # noqa: E402
from guest import debian_seed_checks as checks  # noqa: E402
from guest import debian_standby_checks as standby_checks  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check, seconds  # noqa: E402

BOOT = 400  # seconds that a boot may take on a busy machine in software emulation
TEN_MEGABYTES = 10 << 20


def cache():
    if not shutil.which("ssh") or not shutil.which("scp"):
        raise Skip("ssh is not installed")
    folder = os.environ.get("ANYVISOR_DEBIAN_CACHE")
    if not folder:
        raise Skip("ANYVISOR_DEBIAN_CACHE names no folder with a built image")
    return {"ANYVISOR_DEBIAN_CACHE": folder}


def with_streams(home, arguments, stdin=None, stdout=None):
    """The CLI with files for its streams; the exit code and what it said on stderr."""
    errors = os.path.join(home.base, "errors")
    with open(stdin or os.devnull, "rb") as given, open(stdout or os.devnull, "wb") as out, open(errors, "wb") as err:
        child = processes.start([home.cli, "--home", home.path, *arguments], env=home.environment(), stdin=given.fileno(),
                                stdout=out.fileno(), stderr=err.fileno())
        code = child.wait(seconds(120))
    with open(errors, encoding="utf-8", errors="replace") as file:
        return code, file.read()


def streams_and_codes(home):
    result = home.run("exec", "deb", "--", "sh", "-c", "echo out; echo err >&2; exit 7", ok=False)
    check((result.code, result.out, result.err) == (7, "out\n", "err\n"), str(result))
    check(home.run("exec", "deb", "printf", "%s|", "a b", "", "it's", "*").out == "a b||it's|*|", "arguments")
    check(home.run("exec", "--workdir", "/usr/share", "--env", "X=1 2", "deb", "--", "sh", "-c", 'echo "$PWD $X"').out
          == "/usr/share 1 2\n", "folder and environment")
    missing = home.run("exec", "deb", "no-such-program", ok=False)
    check(missing.code == 127 and "no-such-program" in missing.err, str(missing))
    shell, answer = os.path.join(home.base, "commands"), os.path.join(home.base, "answer")
    with open(shell, "w", encoding="ascii") as file:
        file.write("hostname\nexit 5\n")
    check(with_streams(home, ["shell", "deb"], shell, answer)[0] == 5, "the shell's exit code")
    with open(answer, encoding="utf-8") as file:
        check(file.read().endswith("deb\n"), "a shell that reads its commands from stdin")


def ten_megabytes(home):
    source, back = os.path.join(home.base, "source"), os.path.join(home.base, "back")
    with open(source, "wb") as file:
        file.write(os.urandom(TEN_MEGABYTES))
    code, said = with_streams(home, ["exec", "deb", "cat"], source, back)
    check(code == 0 and filecmp.cmp(source, back, shallow=False), f"10 MB through stdin and stdout: {code} {said}")


def signals(home):
    child = home.begin("exec", "deb", "--", "sh", "-c", "echo $$ >~/started; sleep 1000; echo never")
    started = processes.until(lambda: home.run("exec", "deb", "--", "cat", "started", ok=False).out.strip(), seconds(60))
    check(started, "the command does not start")
    pid = home.run("exec", "deb", "cat", "started").out.strip()
    os.kill(child.pid, signal.SIGTERM)
    result = home.finish(child)
    check(result.code == 128 + signal.SIGTERM and not result.out, str(result))
    check(home.run("exec", "deb", "--", "kill", "-0", pid, ok=False).code != 0, f"process {pid} runs on in the guest")
    check(home.run("exec", "deb", "--", "pgrep", "-x", "sleep", ok=False).out == "", "its child runs on in the guest")


def tree(folder):
    os.makedirs(os.path.join(folder, "a folder"))
    for name, size in (("plain", 100_000), ("a folder/-dash *[x] ?", 10), ("a folder/new\nline", 10), ("empty", 0), ("a folder/it's", 5)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(os.urandom(size))


def there_and_back(home):
    source, back = os.path.join(home.base, "tree"), os.path.join(home.base, "tree-back")
    tree(source)
    without = home.run("copy", source, "deb:there", "--format", "json", ok=False)
    check(without.kind() == "invalid_argument" and "-r" in without.err, str(without))
    home.run("copy", "-r", source, "deb:there")
    home.run("copy", "-r", "deb:there", back)
    same = filecmp.dircmp(source, back)
    check(not same.left_only and not same.right_only and not same.diff_files, "the copies differ")
    inner = filecmp.dircmp(os.path.join(source, "a folder"), os.path.join(back, "a folder"))
    check(not inner.left_only and not inner.right_only and not inner.diff_files, "the copies of the inner folder differ")
    literal = os.path.join(home.base, "literal")
    home.run("transfer", "deb:there/a folder/-dash *[x] ?", literal)
    check(filecmp.cmp(literal, os.path.join(source, "a folder/-dash *[x] ?"), shallow=False), "a name with wildcards in it")
    lost = home.run("copy", "deb:no-such-file", home.base, "--format", "json", ok=False)
    check(lost.kind() == "not_found" and "no-such-file" in lost.err, str(lost))
    refused = home.run("copy", literal, "deb:/etc/", "--format", "json", ok=False)
    check(refused.kind() == "unavailable", str(refused))


def no_space(home):
    """A full disk in the guest is said as one."""
    home.run("exec", "deb", "--", "sh", "-c", "sudo mkdir -p /small && sudo mount -t tmpfs -o size=1m,mode=777 small /small")
    full = home.run("copy", os.path.join(home.base, "source"), "deb:/small/", "--format", "json", ok=False)
    check(full.kind() == "exhausted", str(full))
    home.run("exec", "deb", "--", "sudo", "umount", "/small")


def whole_life():
    environment = cache()
    with Home() as home:
        home.run("launch", "debian:bookworm", "--name", "deb", *checks.launch_arguments(home.base), env=environment, limit=120)
        guest = checks.Guest(home, "deb")
        checks.first_contact(guest, limit=BOOT)
        waited = home.run("wait", "deb", "--for", "cloud-init", "--timeout", "5m", "--explain", limit=BOOT)
        check("guest boot" in waited.err and "cloud-init" in waited.err, str(waited))
        for each in checks.ALL:
            each(guest)
        for each in (streams_and_codes, ten_megabytes, signals, there_and_back, no_space):
            begin = time.monotonic()
            each(home)
            print(f"  {each.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

        for each in (*live_clone_checks.ALL, *standby_checks.ALL):
            begin = time.monotonic()
            each(home, guest)
            print(f"  {each.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

        guest.says("sudo rm /var/lib/ran-by-cloud-init && sync")
        stopped = home.json("stop", "deb", "--timeout", "90", limit=120)
        check(stopped["state"] == "Stopped" and not stopped["forced"] and not stopped["warning"], f"stop: {stopped}")
        off = home.run("exec", "deb", "true", "--format", "json", ok=False)
        check(off.code == 125 and "anyvisor start deb" in off.err, str(off))
        home.run("start", "deb", "--wait", "cloud-init", limit=BOOT)
        check(home.run("exec", "deb", "hostname").out == "deb\n", "exec after a restart")
        guest = checks.Guest(home, "deb")
        checks.check_identity(guest)
        checks.check_host_keys(guest)
        guest.says("test ! -e /var/lib/ran-by-cloud-init")
        waiting = home.begin("wait", "deb", "--for", "stopped", "--timeout", "2m")
        home.run("exec", "deb", "--", "sudo", "poweroff", ok=False)
        check(home.finish(waiting, 120).code == 0, "wait --for stopped")
        early = home.run("wait", "deb", "--for", "ssh", "--format", "json", ok=False)
        check(early.kind() == "invalid_state", str(early))
        home.run("delete", "--purge", "deb", "--force")
        check(home.list() == [], "it is still listed")
        home.check_no_process_left()


def by_firmware():
    environment = cache()
    with Home() as home:
        launched = home.run("launch", "debian:bookworm", "--name", "uefi", "--firmware", "uefi", "--cpus", "2", "--network", "restricted",
                            "--wait", "ssh", "--timeout", "6m", env=environment, limit=BOOT, ok=False)
        check(launched.code == 0, f"{launched}\nits console:\n{home.console('uefi')[-6000:]}")
        check(home.run("exec", "uefi", "--", "test", "-d", "/sys/firmware/efi", ok=False).code == 0, "not booted by UEFI")
        home.run("delete", "--purge", "uefi", "--force")
        home.check_no_process_left()


if __name__ == "__main__":
    suite.main(whole_life, by_firmware)
