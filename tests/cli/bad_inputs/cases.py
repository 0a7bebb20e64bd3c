# SPDX-License-Identifier: MIT
"""Reads a table of bad inputs and holds the program to it.

    # a remark
    @ SURROUNDINGS [WORD]...     in which the cases below it, up to the next one, are run; "@ plain": none
    $ ARGUMENT...                what the command is given, in the quotes of sh(1)
    = CODE                       its exit code
    error: ...                   its exact stderr, up to an empty line

{home}, {base} (the test's folder), {port}, {id} and other names stand for what the test has set; {any} for what a host decides. After each
case the home folder is what it was: every file and folder, its mode and content. Logs alone may grow.
"""

import contextlib
import hashlib
import os
import re
import shlex
import stat

from harness.suite import Skip, check


class Case:
    def __init__(self, place, words):
        self.place, self.words = place, words
        self.code, self.text = None, ""


class Section:
    def __init__(self, words):
        self.words, self.cases = words, []


def read(path):
    """The sections of a table."""
    sections, case = [Section(["plain"])], None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if case is None and line.startswith("@ "):
                sections.append(Section(shlex.split(line[2:])))
            elif case is None and line.startswith("$ "):
                case = Case(f"{os.path.basename(path)}:{number}", shlex.split(line[2:]))
                sections[-1].cases.append(case)
            elif case is not None and line.startswith("= "):
                case.code = int(line[2:])
            elif not line.strip():
                case = None
            elif case is not None:
                case.text += line
            else:
                check(line.startswith("#"), f"{path}:{number}: not understood: {line}")
    return [section for section in sections if section.cases]


def tree(home):
    """Everything below the home folder: path to mode, and content or target. The cache may change at any time."""
    found = {}
    for folder, folders, names in os.walk(home.path):
        if folder == home.path:
            folders[:] = [name for name in folders if name != "cache"]
        for name in folders + names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = None
            if stat.S_ISREG(status.st_mode) and os.path.basename(folder) != "logs":
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest() if status.st_size < 1 << 24 else status.st_size
            found[os.path.relpath(path, home.path)] = (oct(status.st_mode), content)
    return found


def put_in(text, names):
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text


def says(pattern, text):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("{any}"))), text) is not None


def run_case(home, case, names):
    before = tree(home)
    result = home.run(*(put_in(word, names) for word in case.words), ok=False, limit=30)
    expected = put_in(case.text, names)
    if case.code != result.code or not says(expected, result.err):
        return f"{case.place}: {result}expected: exit code {case.code}\n{expected}"
    after = tree(home)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return f"{case.place}: the home folder has changed: {changed}" if changed else None


def run_table(home, path, surroundings, names):
    """Every case of the table; all that fail are told. `surroundings`: name to a context manager of (home, names, *words), in which
    a case is run and which raises Skip where it cannot be had. Returns how many cases were run."""
    failures, skipped, count = [], [], 0
    for section in read(path):
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(surroundings[section.words[0]](home, names, *section.words[1:]))
            except Skip as reason:
                skipped.append(f"{section.words[0]}: {reason}")
                continue
            for case in section.cases:
                failures.append(run_case(home, case, names))
                count += 1
    for reason in skipped:
        print(f"  not here: {reason}")
    failures = [failure for failure in failures if failure]
    check(not failures, f"{len(failures)} of {count} cases:\n" + "\n".join(failures))
    return count
