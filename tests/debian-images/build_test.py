#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A plain user's first launches: a build that is killed leaves nothing that is used, two launches at once make one build, and
the guest answers. Run by root it makes a user for itself and removes it; the built tree is copied to where that user can read it."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import Skip, check, seconds  # noqa: E402


class PlainUser:
    """One without privileges, who can build: this one, or a new one when root runs the test."""

    def __enter__(self):
        if os.geteuid() != 0:
            self.name = pwd.getpwuid(os.geteuid()).pw_name
            return self
        for tool in ("useradd", "userdel", "newuidmap"):
            if not shutil.which(tool):
                raise Skip(f"{tool} is not here: no plain user can be made")
        self.name = f"anyvisor-test-{os.getpid()}"
        subprocess.run(["useradd", "--no-create-home", "--home-dir", "/nonexistent", self.name], check=True)
        try:
            with open("/etc/subuid", encoding="ascii") as file:
                if not any(line.startswith(self.name + ":") for line in file):
                    subprocess.run(["usermod", "--add-subuids", "1000000-1065535", "--add-subgids", "1000000-1065535", self.name], check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if os.geteuid() == 0:
            subprocess.run(["userdel", self.name], check=True)


class HomeOf(Home):
    """A home folder of that user, who also runs the CLI: a copy of the built tree beside it."""

    def __init__(self, user):
        super().__init__()
        self.cache = os.path.join(self.base, "debian-cache")
        if os.geteuid() != 0:
            return
        tree = os.path.join(self.base, "tree")
        shutil.copytree(os.path.dirname(os.path.dirname(self.cli)), tree, symlinks=True)
        self.cli = os.path.join(self.base, "anyvisor")
        with open(self.cli, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec setpriv --reuid {user.name} --regid {user.name} --init-groups {tree}/bin/anyvisor "$@"\n')
        os.chmod(self.cli, 0o755)
        os.chmod(self.base, 0o711)
        owner = pwd.getpwnam(user.name)
        for path in (self.base, self.temporary):
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def __exit__(self, error=None, *rest):
        # Files of subordinate ids, when a build was left half done: root removes them, a plain user needs the namespace.
        if os.geteuid() != 0:
            subprocess.run(["unshare", "--map-auto", "--map-root-user", "rm", "-rf", self.cache], check=False)
        return super().__exit__(error, *rest)

    def environment(self, extra=None):
        return super().environment({"ANYVISOR_DEBIAN_CACHE": self.cache, **(extra or {})})

    def cached(self, suffix=""):
        found = os.listdir(self.cache) if os.path.isdir(self.cache) else []
        return [name for name in found if name.endswith(suffix) and (suffix or "." not in name)]


def running(program):
    return [process for process in processes.descendants() if any(program in argument for argument in process.arguments()[:3])]


def killed_then_two_at_once():
    with PlainUser() as user, HomeOf(user) as home:
        first = home.begin("launch", "debian:bookworm", "--name", "killed", "--network", "restricted")
        check(processes.until(lambda: running("mmdebstrap") and home.cached(".making"), seconds(30)), "no build began")
        check(os.stat(os.path.join(home.cache, home.cached(".making")[0])).st_uid != 0, "root builds")
        waiting = home.run("image", "info", "debian:12", "--format", "json", ok=False)
        check(waiting.kind() == "not_ready", str(waiting))
        for process in [process.pid for process in processes.plugin_hosts()] + [first.pid]:
            processes.send(process, 9)
        home.finish(first)
        check(processes.until(lambda: not processes.descendants(), seconds(10)),
              "the build outlives its plugin-host: " + "; ".join(map(str, processes.descendants())))
        check(not home.cached(), f"something is published: {home.cached()}")
        print("killed early: nothing published, no process left")

        options = ("--network", "restricted", "--memory", "1G", "--cpus", "2", "--explain", "--wait", "running")
        both = [home.begin("launch", image, "--name", name, *options) for name, image in (("one", "debian:bookworm"), ("two", "debian:12"))]
        results = [home.finish(launch, limit=580) for launch in both]
        check(all(result.code == 0 for result in results), "\n".join(map(str, results)))
        waited = ["waiting for another build" in result.err for result in results]
        check(sorted(waited) == [False, True], f"not one build, and one that waits for it: {waited}\n" + "\n".join(map(str, results)))
        check(len(home.cached()) == 1 and not home.cached(".making"), f"in the cache: {os.listdir(home.cache)}")
        images = home.json("image", "list")["images"]
        check(len(images) == 1 and images[0]["used_by"] == ["one", "two"], f"{images}")
        print(f"one build for two launches: {max(result.elapsed for result in results):.0f} s")

        # One of them is enough to see that what a plain user built boots; the other would only take its processor time.
        home.run("delete", "--purge", "--force", "two")
        home.run("wait", "one", "--for", "ssh", "--timeout", "280", limit=290)
        machine_id = home.run("exec", "one", "--", "cat", "/etc/machine-id", limit=60).out.strip()
        check(len(machine_id) == 32, f"machine-id: {machine_id}")
        print(f"the guest answers: machine-id {machine_id}")
        home.run("delete", "--purge", "--force", "one")
        home.check_no_process_left()


if __name__ == "__main__":
    sys.exit(suite.main(killed_then_two_at_once))
