#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An sftp server of a hostile guest: every folder holds names that lead out of it, and whatever is asked for is there.

Argument: an absolute path that it offers as a name, too. See draft-ietf-secsh-filexfer-02 for the protocol, version 3.
"""

import struct
import sys

EVIL = b"written by the guest\n"
FOLDER, FILE, LINK = 0o040777, 0o104777, 0o120777  # the file asks for setuid
NAMES = [(b"good", FILE), (b"../escaped", FILE), (sys.argv[1].encode(), FILE), (b"..", FOLDER), (b".", FOLDER),
         (b"../escaped-folder", FOLDER), (b"sub/../../escaped", FILE), (b"link", LINK), (b"", FILE), (b"evil\x1b[2J", FILE)]
OK, EOF, UNSUPPORTED = 0, 1, 8


def text(value):
    return struct.pack(">I", len(value)) + value


def attributes(mode):
    return struct.pack(">IQI", 1 | 4, len(EVIL), mode)  # size and permissions


def send(kind, body):
    sys.stdout.buffer.write(struct.pack(">IB", len(body) + 1, kind) + body)
    sys.stdout.buffer.flush()


def serve():
    told = set()
    while len(head := sys.stdin.buffer.read(5)) == 5:
        length, kind = struct.unpack(">IB", head)
        body = sys.stdin.buffer.read(length - 1)
        if kind == 1:
            send(2, struct.pack(">I", 3))
            continue
        request, rest = body[:4], body[4:]
        first = rest[4:4 + struct.unpack(">I", rest[:4])[0]] if len(rest) >= 4 else b""
        is_folder = first.rstrip(b"/").endswith((b"top", b"folder", b"..", b"/."))

        def status(code):
            send(101, request + struct.pack(">I", code) + text(b"") + text(b""))

        if kind == 16:  # realpath
            send(104, request + struct.pack(">I", 1) + text(first if first.startswith(b"/") else b"/home/" + first) + text(b"") + attributes(FOLDER))
        elif kind in (7, 17):  # lstat, stat
            send(105, request + attributes(FOLDER if is_folder else FILE))
        elif kind == 8:  # fstat
            send(105, request + attributes(FILE))
        elif kind in (3, 11):  # open, opendir: the handle is the path
            send(102, request + text(first))
        elif kind == 12:  # readdir: once each
            if first in told or first.count(b"/") > 6:
                status(EOF)
                continue
            told.add(first)
            send(104, request + struct.pack(">I", len(NAMES)) + b"".join(text(name) + text(name) + attributes(mode) for name, mode in NAMES))
        elif kind == 5:  # read
            offset = struct.unpack(">Q", rest[4 + len(first):12 + len(first)])[0]
            if offset < len(EVIL):
                send(103, request + text(EVIL[offset:]))
            else:
                status(EOF)
        else:
            status(OK if kind == 4 else UNSUPPORTED)


serve()
