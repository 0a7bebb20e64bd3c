# SPDX-License-Identifier: MIT
"""What is wrong with each plugin of bad-plugins/, as the pattern that the message about it has to match, without regard to case."""

import re

# The host tells from the file, or from what the plugin says of itself.
REFUSED = {
    "other-major": r"abi 9",
    "stray": r"exports no anyvisor_plugin_entry_v0",
    "text": r"is no shared object",
    "empty": r"is no shared object",
    "truncated": r"damaged",
    "other-machine": r"another kind of machine",
    "missing-library": r"libanyvisor-test-that-is-removed",
    "missing-symbol": r"from_a_missing_library",
    "no-description": r"no descriptor",
    "wrong-major": r"abi.*\b9\b",
    "newer-unknown": r"newer|teleport",
    "size-zero": r"struct_size 0",
    "size-tiny": r"struct_size 12",
    "null-id": r"\bid\b.*missing",
    "null-version": r"version.*missing",
    "null-interfaces": r"no interfaces",
    "null-find": r"no find",
    "wrong-id": r"somebody-else",
    "not-utf8": r"summary.*utf-8",
    "bad-schema": r"settings schema",
    "find-null": r"anyvisor\.network/draft-1",
    "table-zero": r"anyvisor\.network/draft-1.*size",
    "table-without-open": r"open|function.*null",
}

# None of these may get as far as running code of its own.
NEVER_RUN = ["other-major", "stray", "text", "empty", "truncated", "other-machine", "missing-library", "missing-symbol"]

# These do harm when they are loaded: what is known of them is how they took their plugin-host down.
HARMFUL = {
    "crash-loading": r"signal 11|segmentation",
    "abort-loading": r"signal 6|abort",
    "exit-loading": r"ended.*exit code 0",
    "exit-politely": r"ended.*exit code",
    "crash-entry": r"signal 11|segmentation",
    "crash-find": r"signal 11|segmentation",
    "hang-loading": r"no answer|did not return",
    "hang-entry": r"no answer|did not return",
}

# Unusual, but within the contract.
FINE = ["fine-plain", "fine-newer-minor", "fine-larger-structs"]


def pattern_of(name):
    return re.compile({**REFUSED, **HARMFUL}[name], re.I)


def without_paths(text):
    """What is left of a message without the file's name, which may hold the very words that are looked for."""
    return re.sub(r"[^\s\"':]*/[^\s\"':]*\.so", "FILE", text)


def complete(folder, good_file):
    """Adds to `folder` what a compiler does not make: files that are no shared object, or a broken one."""
    with open(good_file, "rb") as stream:
        good = stream.read()
    machine_offset = 18  # e_machine of the ELF header; 183 is AArch64
    files = {
        "text": b"#!/bin/sh\necho anyvisor_plugin_entry_v0\n",
        "empty": b"",
        "truncated": good[:1000],
        "other-machine": good[:machine_offset] + (183).to_bytes(2, "little") + good[machine_offset + 2:],
    }
    for name, content in files.items():
        with open(f"{folder}/anyvisor-{name}.so", "wb") as stream:
            stream.write(content)
