# SPDX-License-Identifier: MIT
"""The guest of tests/guests/pages.c: a nonce, a counter and filled pages that are nowhere but in its RAM."""

import os
import re
import socket
import time

from harness import processes, suite
from harness.suite import check, seconds

KERNEL = "pages.elf"
PAGE = 4096
UNHEARD_LINES = 40  # of the counter; it takes a command between two of them


def import_image(home, name="pages"):
    kernel = os.path.join(os.path.dirname(suite.program("ANYVISOR_TINY_GUEST")), KERNEL)
    home.run("image", "import", "--kernel", kernel, "--name", name)


class Pages:
    """A running guest `name` of that image, by its console."""

    def __init__(self, home, name):
        self.home, self.name = home, name
        self.nonce = self.ask("n", "nonce")

    def _answers(self, word):
        return [int(found, 16) for found in re.findall(rf"^{word} ([0-9a-f]{{8}})\n", self.home.console(self.name), re.M)]

    def ask(self, command, word, limit=20):
        """The number that it answers with."""
        before = len(self._answers(word))
        end = time.monotonic() + seconds(limit)
        while time.monotonic() < end:
            if self._tell(command, lambda: len(self._answers(word)) > before, end):
                return self._answers(word)[-1]
        raise AssertionError(f"no {word!r} after {command!r}: {self.home.console(self.name)[-200:]!r}")

    def _tell(self, command, is_answered, end):
        """False: it counts on, so QEMU has not handed the command on. It does so now and then when a client comes just after another has gone."""
        folder = os.open(self.home.folder(self.home.info(self.name)), os.O_RDONLY)
        try:
            with socket.socket(socket.AF_UNIX) as console:
                console.connect(f"/proc/self/fd/{folder}/console.sock")
                console.sendall(command.encode() + b"\n")
                console.settimeout(0.01)
                heard = b""
                while time.monotonic() < end and heard.count(b"\n") < UNHEARD_LINES:
                    if is_answered():
                        return True
                    try:  # what a client does not read holds the guest back
                        heard += console.recv(4096)
                    except TimeoutError:
                        pass
        finally:
            os.close(folder)
        return is_answered()

    def fill(self, count):
        """So many pages, with patterns that they have never had."""
        # A second mostly; memory that a virtual machine gives back to its host now and then comes again slowly.
        check(self.ask(f"w{count:x}", "written", limit=90) == count, "it has filled another number of pages")

    def check(self, count):
        """Nonce and pages are what they were."""
        check(self.ask("n", "nonce") == self.nonce, "its nonce is another: it has started again")
        check(self.ask("v", "intact") == count and not self._answers("spoilt"), "its pages are spoilt")

    def counted(self):
        """The last number that it has counted to, every one of them seen."""
        numbers = [int(line, 16) for line in self.home.console(self.name).split("\n")[:-1] if re.fullmatch("[0-9a-f]{8}", line)]
        check(numbers == list(range(1, len(numbers) + 1)), "the counter has a hole")
        return len(numbers)

    def goes_on(self):
        before = self.counted()
        check(processes.until(lambda: self.counted() > before + 2, seconds(20)), f"it stands still at {before}")
