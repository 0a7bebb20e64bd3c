# SPDX-License-Identifier: MIT
"""The backend under test, what it says of itself, and the folder in which its machines live."""

import os
import pathlib

import guests
from outcome import Declined, Failure
from plugin_host import PluginHost

USER_NETWORK = "user-network"


class Subject:
    """`options`: run's; `work`: an empty folder of the suite's own, removed by whoever made it."""

    def __init__(self, options, work):
        self.options, self.work = options, pathlib.Path(work)
        self.factor = options.time_factor
        self.settings = options.settings
        self.program, self.plugin = str(options.plugin_host), pathlib.Path(options.plugin)
        self.home = self.work / "home"
        self.guests = self.work / "guests"
        for folder in (self.work, self.home, self.home / "instances", self.home / "cache", self.guests):
            folder.mkdir(mode=0o700, exist_ok=True)
        guests.write(self.guests)
        if options.guest:
            (self.guests / "tiny.elf").write_bytes(pathlib.Path(options.guest).read_bytes())
        network = self.network_plugin()
        self.networks = [USER_NETWORK] if network else []
        self.plugins = [self.plugin] + ([network] if network else [])
        self.id = self.description = self.report = None  # set by the first steps

    def network_plugin(self):
        """anyvisor's user-mode network, for the steps that want an endpoint: beside the backend, or as installed."""
        for folder in (self.plugin.parent, pathlib.Path(self.program).parents[2] / "lib/anyvisor/plugins"):
            if (folder / f"anyvisor-{USER_NETWORK}.so").exists():
                return folder / f"anyvisor-{USER_NETWORK}.so"
        return None

    def seconds(self, amount):
        return amount * self.factor

    def ask(self, method, **params):
        """One call to a plugin-host without a machine."""
        host = PluginHost(self.program, self.plugins, environment={"ANYVISOR_HOME": str(self.home)})
        try:
            return host.call(method, params, deadline_ms=int(self.seconds(30) * 1000), limit=self.seconds(30) + 5)
        finally:
            host.close()

    def report_for(self, machine=None, settings=None):
        return self.ask("backend.capabilities", plugin=self.id, settings=self.settings if settings is None else settings,
                        request={"machine": machine} if machine else {})

    def capability(self, name, report=None):
        """Its answer and its reason. What a report does not name does not work."""
        found = (report or self.report)["capabilities"].get(name)
        return (found["answer"], found.get("reason", "")) if found else ("no", "it is not in the capability report")

    def need(self, name, report=None):
        answer, reason = self.capability(name, report)
        if answer != "yes":
            raise Declined(f"{name}: {reason}" if answer == "no" else f"{name} needs: {reason}")

    def lacks(self, name):
        """The reason, where the report names this one and does not say yes. One that is younger than a backend counts as there."""
        if name not in self.report["capabilities"] or self.capability(name)[0] == "yes":
            return ""
        return f"{name}: {self.capability(name)[1]}"

    def need_console(self):
        """For every step whose proof is what the guest says."""
        self.need("kernel_boot")
        self.need("console")

    def processes_left(self):
        """Pids of processes, but this one's, that have something below the suite's folder open or as their argument."""
        own, left = str(self.work), []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and int(entry.name) not in (os.getpid(), os.getppid()) and self._touches(entry.path, own):
                left.append(int(entry.name))
        return left

    @staticmethod
    def _touches(process, folder):
        try:
            opened = [os.readlink(item.path) for item in os.scandir(f"{process}/fd")] + [os.readlink(f"{process}/cwd")]
            return any(target.startswith(folder + "/") for target in opened)
        except OSError:
            return False  # gone meanwhile, or somebody else's


def descriptor_of(subject):
    """What the plugin says when it is loaded; a failure when it cannot be."""
    for found in subject.ask("plugins")["plugins"]:
        if pathlib.Path(found["path"]).resolve() == subject.plugin.resolve():
            if "error" in found:
                raise Failure(f"it does not load: {found['error']['message']}")
            return found
    raise Failure("the plugin-host does not list it")
