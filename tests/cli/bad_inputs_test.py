#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad inputs: each gets its exit code and its exact words, and changes nothing. The cases stand in bad_inputs/*.table."""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from bad_inputs import cases, damage, images, surroundings  # noqa: E402
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check  # noqa: E402

TABLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad_inputs")
SURROUNDINGS = {
    "plain": surroundings.plain, "variable": surroundings.variable, "without": surroundings.without,
    "port-taken": surroundings.port_taken, "mode": surroundings.mode, "of-nobody": surroundings.of_nobody,
    "read-only": surroundings.read_only, "full": surroundings.full, "vanished": surroundings.vanished, "damaged": damage.damaged,
    "elsewhere": surroundings.elsewhere, "plugin": surroundings.plugin,
}


class PreparedHome(Home):
    """A home with the image "tiny" and the stopped instances "web" and "other" of it; environment for a while."""

    def __init__(self, **options):
        super().__init__(**options)
        self._extra = {}

    @contextlib.contextmanager
    def with_environment(self, extra):
        self._extra = extra
        try:
            yield
        finally:
            self._extra = {}

    def environment(self, extra=None):
        return super().environment({**self._extra, **(extra or {})})

    def prepare(self):
        """Returns the names that the tables use."""
        images.make(self.base)
        self.import_tiny(disk=True)
        for name in ("web", "other"):
            self.launch(name)
            self.run("stop", "--force", name)
        info = self.info("web")
        image = self.json("image", "info", "tiny")
        return {"home": self.path, "base": self.base, "id": info["id"], "instance": f"instances/{info['id']}",
                "image": f"images/{image['id']}", "short": info["short_id"], "long": "x" * 64}


def run_table(name):
    with PreparedHome() as home:
        count = cases.run_table(home, os.path.join(TABLES, name), SURROUNDINGS, home.prepare())
        print(f"  {name}: {count} cases")
        check(sorted(home.names()) == ["other", "web"], "an instance has come or gone")
        home.run("start", "web")
        home.run("stop", "--force", "web")


def words_and_values():
    run_table("values.table")


def images_that_lie():
    run_table("images.table")


def documents():
    run_table("documents.table")


def the_host():
    run_table("host.table")


def saved_memory():
    """Of an instance in standby: what was altered is refused, and the memory can still be restored once it is mended."""
    with PreparedHome() as home:
        names = home.prepare()
        home.run("start", "web")
        home.run("standby", "web")
        count = cases.run_table(home, os.path.join(TABLES, "saved-memory.table"), SURROUNDINGS, names)
        print(f"  saved-memory.table: {count} cases")
        home.run("restore", "web")


def long_home_path():
    """No bad input, though it looks like one: 200 characters of path, more than a socket's address can hold."""
    with PreparedHome(long_path=True) as home:
        check(len(home.path) > 200, home.path)
        home.prepare()
        home.run("start", "web")
        check(home.info("web")["state"] == "Running", "it does not run")
        home.run("stop", "--force", "web")


def at_least_eighty():
    count = sum(len(section.cases) for name in os.listdir(TABLES) if name.endswith(".table")
                for section in cases.read(os.path.join(TABLES, name)))
    check(count >= 80, f"{count} cases")


if __name__ == "__main__":
    suite.main(words_and_values, images_that_lie, documents, saved_memory, the_host, long_home_path, at_least_eighty)
