# SPDX-License-Identifier: MIT
"""Disks with file systems on them, made without root, without loop devices and without a boot: file systems by their own
mkfs from a tree, and what lies between them and the disk (GPT, LVM, LUKS; md in arrays.py) written here byte by byte."""

import os
import shutil
import struct
import tempfile
import uuid
import zlib

from harness import processes
from harness.suite import Skip, check, seconds

MEBIBYTE = 1 << 20
SECTOR = 512
os.environ["PATH"] += ":/usr/sbin:/sbin"


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")


def tool(*argv, limit=120, ok=(0,), env=None, stdin=None):
    """Runs a program and returns what it says. By the harness: its reaper would take a subprocess's exit code away."""
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        given = os.open(stdin or os.devnull, os.O_RDONLY)
        try:
            child = processes.start(argv, env=env, stdin=given, stdout=out.fileno(), stderr=err.fileno())
        finally:
            os.close(given)
        code = child.wait(seconds(limit))
        if code is None:
            processes.send(child.pid, 9)
        out.seek(0)
        err.seek(0)
        text = out.read()
        check(code in ok, f"{' '.join(argv)}: exit code {code}: {text}{err.read()}")
        return text


def empty(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def copy_data(source, target, source_offset=0, target_offset=0, length=None):
    """Data only: holes stay holes, in a target that was empty there."""
    with open(source, "rb") as read, open(target, "r+b") as written:
        end = min(os.path.getsize(source), source_offset + length if length is not None else 1 << 62)
        at = source_offset
        while at < end:
            try:
                at = os.lseek(read.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            stop = min(end, os.lseek(read.fileno(), at, os.SEEK_HOLE))
            while at < stop:
                piece = os.pread(read.fileno(), min(MEBIBYTE, stop - at), at)
                if piece.strip(b"\0"):
                    os.pwrite(written.fileno(), piece, target_offset + at - source_offset)
                at += len(piece)


def write_gpt(path, partitions, sector=SECTOR):
    """A disk with these files as its partitions, each on a mebibyte's boundary. Returns their offsets."""
    sizes = [os.path.getsize(part) for part in partitions]
    offsets, at = [], MEBIBYTE
    for size in sizes:
        offsets.append(at)
        at += -(-size // MEBIBYTE) * MEBIBYTE
    total = at + MEBIBYTE
    linux = uuid.UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4").bytes_le
    entries = b"".join(
        linux + uuid.uuid4().bytes_le + struct.pack("<QQQ", offset // sector, (offset + size) // sector - 1, 0) + bytes(72)
        for offset, size in zip(offsets, sizes)).ljust(128 * 128, b"\0")
    disk_id, last, table = uuid.uuid4().bytes_le, total // sector - 1, len(entries) // sector

    def header(here, there, table_at):
        def text(checksum):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, here, there, 2 + table,
                               last - table - 1, disk_id, table_at, 128, 128, zlib.crc32(entries))
        return text(zlib.crc32(text(0)))

    with open(empty(path, total), "r+b") as file:
        file.seek(446)
        file.write(struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(last, 0xFFFFFFFF)) + bytes(48) + b"\x55\xaa")
        file.seek(sector)
        file.write(header(1, last, 2))
        file.seek(2 * sector)
        file.write(entries)
        file.seek((last - table) * sector)
        file.write(entries)
        file.seek(last * sector)
        file.write(header(last, 1, last - table))
    for part, offset in zip(partitions, offsets):
        copy_data(part, path, target_offset=offset)
    return offsets


# --- LVM: a physical volume that holds one logical volume, its two halves in the wrong order on the disk.

EXTENT, STRIPE = 4 * MEBIBYTE, 65536
LVM_CRC = 0xF597A6CF


def lvm_crc(data):
    return zlib.crc32(data, LVM_CRC ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def lvm_id():
    text = uuid.uuid4().hex
    return "-".join((text[:6], text[6:10], text[10:14], text[14:18], text[18:22], text[22:26], text[26:32]))


def lvm_pieces(image, striped=False):
    """(offset in the volume, offset on the partition, length)"""
    size = os.path.getsize(image)
    if striped:
        return [(at, MEBIBYTE + number % 2 * (size // 2) + number // 2 * STRIPE, STRIPE) for number, at in enumerate(range(0, size, STRIPE))]
    first = size // EXTENT // 2 * EXTENT
    return [(0, MEBIBYTE + size - first, first), (first, MEBIBYTE, size - first)]


def write_lvm(path, image, striped=False):
    """`striped`: over the two halves of the one physical volume."""
    extents = os.path.getsize(image) // EXTENT
    check(os.path.getsize(image) == extents * EXTENT and extents % 2 == 0, "a volume is of whole extents, as many in each half")
    size, pv, half = MEBIBYTE + (extents + 2) * EXTENT, lvm_id(), extents // 2
    if striped:
        segments = [(0, extents, f'"striped"\nstripe_count = 2\nstripe_size = {STRIPE // SECTOR}\nstripes = ["pv0", 0, "pv0", {half}]')]
    else:
        segments = [(start, half, f'"striped"\nstripe_count = 1\nstripes = ["pv0", {at}]') for start, at in ((0, half), (half, 0))]
    body = "\n".join(f"segment{i} {{\nstart_extent = {start}\nextent_count = {count}\ntype = {rest}\n}}"
                     for i, (start, count, rest) in enumerate(segments, 1))
    text = f"""vg0 {{
id = "{lvm_id()}"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = {EXTENT // SECTOR}
max_lv = 0
max_pv = 0
metadata_copies = 0
physical_volumes {{
pv0 {{
id = "{pv}"
device = "/dev/none"
status = ["ALLOCATABLE"]
flags = []
dev_size = {size // SECTOR}
pe_start = {MEBIBYTE // SECTOR}
pe_count = {extents + 2}
}}
}}
logical_volumes {{
lv0 {{
id = "{lvm_id()}"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = {len(segments)}
{body}
}}
}}
}}
# Generated by a test
contents = "Text Format Volume Group"
version = 1
description = ""
creation_host = "none"
creation_time = 1700000000
""".encode() + b"\0"
    area = MEBIBYTE - 4096
    header = struct.pack("<16sIQQ", b" LVM2 x[5A%r0N*>", 1, 4096, area) + struct.pack("<QQII", 512, len(text), lvm_crc(text), 0)
    header = header.ljust(508, b"\0")
    label = struct.pack("<I8s", 32, b"LVM2 001") + pv.replace("-", "").encode() + struct.pack(
        "<Q QQQQ QQQQ II QQ", size, MEBIBYTE, 0, 0, 0, 4096, area, 0, 0, 2, 1, 0, 0)
    label = label.ljust(SECTOR - 20, b"\0")
    with open(empty(path, size), "r+b") as file:
        file.seek(SECTOR)
        file.write(struct.pack("<8sQI", b"LABELONE", 1, lvm_crc(label)) + label)
        file.seek(4096)
        file.write(struct.pack("<I", lvm_crc(header)) + header + text)
    for inside, outside, length in lvm_pieces(image, striped):
        copy_data(image, path, inside, outside, length)
    return path


def read_lvm(partition, target, image, striped=False):
    """The volume of `image`'s size, taken back out."""
    empty(target, os.path.getsize(image))
    for inside, outside, length in lvm_pieces(image, striped):
        copy_data(partition, target, outside, inside, length)
    return target


def write_luks(path, size=4 * MEBIBYTE):
    """As LUKS looks from outside."""
    header = struct.pack(">6sH32s32s32sII20s32sI40s", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", b"sha256", 4096, 64, os.urandom(20),
                         os.urandom(32), 1000, str(uuid.uuid4()).encode())
    with open(empty(path, size), "r+b") as file:
        file.write(header)
        file.seek(MEBIBYTE)
        file.write(os.urandom(MEBIBYTE))
    return path


def write_swap(path, size=4 * MEBIBYTE, asleep=False):
    """A swap area; `asleep`: as a hibernated system leaves it."""
    tool("mkswap", "-q", empty(path, size))
    if asleep:
        with open(path, "r+b") as file:
            file.seek(4086)
            check(file.read(10) == b"SWAPSPACE2", "mkswap's mark")
            file.seek(4086)
            file.write(b"S1SUSPEND\0")
    return path
