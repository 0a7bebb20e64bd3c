# SPDX-License-Identifier: MIT
"""The way a person takes: the `anyvisor` command with --backend."""

import json
import os
import subprocess

from machines import alive, wait_until
from outcome import Declined, Failure, check

NAME, CLONE = "conformance", "conformance-clone"
ABSENT = ("unavailable", "not_found", "not_ready")  # kinds of error when an image cannot be had on this machine


class CommandFailed(Exception):
    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.error = error


class Cli:
    """The command, on a home folder of its own below the suite's."""

    def __init__(self, subject):
        if not subject.options.cli:
            raise Declined("no `anyvisor` command was found: --cli names one")
        self.subject, self.home = subject, subject.work / "cli-home"
        self.environment = dict(os.environ, HOME=str(subject.work))
        # The plugin alone: what else lies in its folder is not under test.
        own = subject.work / "plugins"
        own.mkdir(mode=0o700, exist_ok=True)
        if not (own / subject.plugin.name).exists():
            (own / subject.plugin.name).symlink_to(subject.plugin)
        self.environment["ANYVISOR_PLUGIN_PATH"] = str(own)

    def __call__(self, *arguments, seconds=30, check_exit=True):
        command = [str(self.subject.options.cli), "--home", str(self.home), *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=self.subject.seconds(seconds))
        if check_exit and done.returncode:
            text = done.stderr.decode(errors="replace")
            try:
                raise CommandFailed(json.loads(text.strip().splitlines()[-1])["error"])
            except (ValueError, KeyError, IndexError):
                raise CommandFailed({"kind": "unknown", "message": f"{arguments[0]}: exit status {done.returncode}: {text[-500:]}"})
        return done

    def json(self, *arguments, **limits):
        out = self(*arguments, "--format", "json", **limits).stdout
        return json.loads(out) if out.strip() else None

    def info(self, name=NAME):
        found = self.json("info", name)
        return found[0] if isinstance(found, list) else found

    def remove(self):
        for name in (NAME, CLONE):
            self("delete", "--purge", "--force", name, check_exit=False)


def command_line(subject):
    """import, launch, console, stop, start, delete: nothing is left."""
    cli = Cli(subject)
    # It takes no settings: what the backend says without counts.
    report = subject.report_for(settings={})
    if "kernel_boot" in report["capabilities"]:
        subject.need("kernel_boot", report)
    speaks = subject.capability("console")[0] == "yes"
    cli("image", "import", "--kernel", subject.guests / "tiny.elf", "--name", "tiny")
    try:
        cli.json("launch", "tiny", "--name", NAME, "--backend", subject.id, "--memory", "32M", "--network", "none")
        info = cli.info()
        check(info["state"] == "Running" and info["backend"] == subject.id, f"launched, and info says {info}")
        if speaks:
            check(wait_until(lambda: cli("logs", NAME).stdout.count(b"\n") > 5, subject.seconds(20)), "logs shows no counter")
        cli("stop", "--force", NAME)
        check(cli.info()["state"] == "Stopped" and not alive(info["vmm_pid"]), "stop --force leaves it running")
        cli("start", NAME)
        info = cli.info()
        check(info["state"] == "Running", f"started, and info says {info}")
        cli("delete", "--purge", "--force", NAME)
        check(not alive(info["vmm_pid"]), "delete leaves the VMM")
    except CommandFailed as failed:
        raise Failure(f"{failed.error}")
    finally:
        cli.remove()
    left = [path.name for path in (cli.home / "instances").iterdir()] + [path.name for path in (cli.home / "staging").iterdir()]
    check(not left, f"the home folder keeps {left}")


def ways_in(subject):
    """How `exec` reaches a guest on this backend: the options of launch, and the values of --via."""
    ways = [] if subject.lacks("vsock") else ["vsock"]
    if not subject.lacks("network_user"):
        return ["--network", "restricted"], ["ssh", *ways]
    if not ways:
        raise Declined(f"nothing leads into a guest: {subject.lacks('network_user')}, {subject.lacks('vsock')}")
    return ["--network", "none"], ways


def debian_guest(subject):
    """A real Debian: launched, reached by ssh over a port and over vsock, told commands, shut down by the power button or its
    agent; with --debian-life also put into standby and back before, and cloned."""
    if not subject.options.debian:
        raise Declined("not asked for: --debian")
    subject.need("kernel_boot")
    network, ways = ways_in(subject)
    cli = Cli(subject)

    def said(name, *command, via=None):
        return cli("exec", *(("--via", via) if via else ()), name, "--", *command, seconds=60).stdout.decode().strip()

    def wait(name):
        cli("wait", name, "--for", "ssh", "--timeout", f"{int(subject.seconds(180))}s", seconds=200)

    def falls_asleep():
        """Not when the backend says that it cannot save this machine, as the command then tells."""
        try:
            cli.json("standby", NAME, seconds=180)
        except CommandFailed as failed:
            if failed.error.get("kind") != "unsupported":
                raise
            check(cli.info()["state"] == "Running", f"standby was declined, and info says {cli.info()['state']}")
            return False
        check(cli.info()["state"] == "Standby", f"put into standby, and info says {cli.info()['state']}")
        return True

    try:
        try:
            cli.json("launch", subject.options.debian, "--name", NAME, "--backend", subject.id, "--memory", "768M",
                     *network, "--wait", "running", seconds=180)
        except CommandFailed as failed:
            if failed.error["kind"] in ABSENT:
                raise Declined(f"the image cannot be had: {failed.error['message']}")
            raise
        wait(NAME)
        info = cli.info()
        check(info["state"] == "Running", f"launched, and info says {info}")
        check(bool(info["vsock_cid"]) == ("vsock" in ways), f"ways in are {ways}, and info says {info}")
        for way in ways:
            check(said(NAME, "hostname", via=way) == NAME, f"its hostname by {way} is {said(NAME, 'hostname', via=way)!r}")
            status = cli("exec", "--via", way, NAME, "--", "sh", "-c", "exit 7", seconds=60, check_exit=False).returncode
            check(status == 7, f"`exit 7` in the guest comes out as {status} by {way}")
        if subject.options.debian_life and not subject.lacks("save") and not subject.lacks("restore"):
            booted = said(NAME, "cat", "/proc/sys/kernel/random/boot_id")
            said(NAME, "sudo", "sh", "-c", "echo kept >/run/kept-in-memory")
            if falls_asleep():
                cli("start", NAME, seconds=180)
                wait(NAME)
            for way in ways:
                kept = said(NAME, "cat", "/proc/sys/kernel/random/boot_id", "/run/kept-in-memory", via=way)
                check(kept.split() == [booted, "kept"], f"back from standby it says {kept} by {way}; it was {booted}")
        cli("stop", NAME, "--timeout", int(subject.seconds(60)), "--no-force", seconds=90)
        check(cli.info()["state"] == "Stopped", f"stopped, and info says {cli.info()['state']}")
        if not subject.options.debian_life:
            return
        cli("clone", NAME, "--name", CLONE, "--identity", "seed", seconds=180)
        cli.json("start", CLONE, "--wait", "running", seconds=180)
        wait(CLONE)
        check(said(CLONE, "hostname") == CLONE, f"the clone's hostname is {said(CLONE, 'hostname')!r}")
        cid = cli.info(CLONE)["vsock_cid"]
        check(cid == 0 or cid != info["vsock_cid"], "the clone has its source's vsock context id")
    except CommandFailed as failed:
        raise Failure(f"{failed.error}")
    finally:
        cli.remove()


debian_guest.seconds = 600  # of a system that boots, twice
STEPS = [command_line, debian_guest]
