# SPDX-License-Identifier: MIT
"""Documents of a home folder, damaged and mended again."""

import contextlib
import json
import os

HOSTILE = {
    "empty": b"",
    "zeroes": bytes(512),  # as after a power cut on some file systems
    "text": b"not JSON",
    "array": b"[1, 2]",
    "deep": b"[" * 100000,
    "endless-number": b'{"schema": ' + b"9" * 5000 + b"}",
    "other-bytes": b'{"schema": 1, "name": "\xff\xfe"}',
    "newer": b'{"schema": 99}',
    "no-schema": b"{}",
    "schema-text": b'{"schema": "one"}',
}


def _changed(content, how):
    """`how`: a name of HOSTILE, "half", or POINTER=JSON (a member; missing value: without it)."""
    if how == "half":
        return content[:len(content) // 2]
    if how in HOSTILE:
        return HOSTILE[how]
    pointer, _, value = how.partition("=")
    document = json.loads(content)
    *parents, last = pointer.split("/")
    place = document
    for name in parents:
        place = place[name]
    if value:
        place[last] = json.loads(value)
    else:
        del place[last]
    return json.dumps(document).encode()


@contextlib.contextmanager
def damaged(home, names, place, how):
    """The document `place` ("{instance}/instance.json"), below the home folder, has other content."""
    for name, value in names.items():
        place = place.replace("{" + name + "}", value)
    path = os.path.join(home.path, place)
    old = None
    if os.path.exists(path):
        with open(path, "rb") as file:
            old = file.read()
    if how == "gone":
        os.rename(path, os.path.join(home.base, "aside"))
    elif how == "folder":
        if old is not None:
            os.remove(path)
        os.mkdir(path)
    else:
        with open(path, "wb") as file:
            file.write(_changed(old, how))
    try:
        yield
    finally:
        if how == "folder":
            os.rmdir(path)
        if how == "gone":
            os.rename(os.path.join(home.base, "aside"), path)
        elif old is None and os.path.exists(path):
            os.remove(path)
        elif old is not None:
            with open(path, "wb") as file:
                file.write(old)
