# SPDX-License-Identifier: MIT
"""Arrays of md with metadata 1.2, written byte by byte: a mirror of two members, and RAID5 over three."""

import os
import struct
import uuid

from identity.disks import MEBIBYTE, SECTOR, copy_data, empty

CHUNK = 65536
MIRROR, RAID5 = 1, 5
LEFT_SYMMETRIC = 2  # where RAID5 has its parity, by default


def members(level):
    return 3 if level == RAID5 else 2


def _superblock(level, count, number, array, size):
    block = struct.pack("<IIII16s32sQIIQIIII", 0xA92B4EFC, 1, 0, 0, array, f"test:{level}".encode().ljust(32, b"\0"), 1700000000, level,
                        LEFT_SYMMETRIC if level == RAID5 else 0, size // SECTOR, CHUNK // SECTOR if level == RAID5 else 0, count, 0, 0)
    block = block.ljust(128, b"\0")
    block += struct.pack("<QQQQII16sBBBB", MEBIBYTE // SECTOR, size // SECTOR, 8, 0, number, 0, uuid.uuid4().bytes, 0, 0, 0, 0)
    block = block.ljust(192, b"\0")
    block += struct.pack("<QQQII", 1700000000, 1, (1 << 64) - 1, 0, count)
    block = block.ljust(256, b"\0") + struct.pack(f"<{count}H", *range(count))
    total = sum(struct.unpack(f"<{len(block) // 4}I", block[:len(block) // 4 * 4]))
    if len(block) % 4:
        total += struct.unpack("<H", block[-2:])[0]
    total = (total & 0xFFFFFFFF) + (total >> 32)
    return block[:216] + struct.pack("<I", total & 0xFFFFFFFF) + block[220:]


def _places(stripe, count):
    """The members that hold a stripe's chunks of data, in their order, and the one with its parity."""
    parity = count - 1 - stripe % count
    return [(parity + 1 + chunk) % count for chunk in range(count - 1)], parity


def _xor(pieces):
    total = 0
    for piece in pieces:
        total ^= int.from_bytes(piece, "little")
    return total.to_bytes(CHUNK, "little")


def write_members(paths, image, level):
    array, count = uuid.uuid4().bytes, len(paths)
    size = os.path.getsize(image) // (count - 1 if level == RAID5 else 1)
    for number, path in enumerate(paths):
        with open(empty(path, size + MEBIBYTE), "r+b") as file:
            file.seek(4096)
            file.write(_superblock(level, count, number, array, size))
        if level == MIRROR:
            copy_data(image, path, target_offset=MEBIBYTE)
    if level == RAID5:
        files = [open(path, "r+b") for path in paths]
        with open(image, "rb") as source:
            for stripe in range(size // CHUNK):
                data, parity = _places(stripe, count)
                pieces = [source.read(CHUNK) for _ in data]
                if any(piece.strip(b"\0") for piece in pieces):
                    for member, piece in zip([*data, parity], [*pieces, _xor(pieces)]):
                        os.pwrite(files[member].fileno(), piece, MEBIBYTE + stripe * CHUNK)
        for file in files:
            file.close()


def read_members(paths, target, level, lost=0):
    """The array's content, as it is once the member `lost` has gone."""
    count = len(paths)
    size = os.path.getsize(paths[0]) - MEBIBYTE
    if level == MIRROR:
        copy_data(paths[1 - lost], empty(target, size), MEBIBYTE)
        return
    files = [open(path, "rb") for path in paths]
    with open(target, "wb") as written:
        for stripe in range(size // CHUNK):
            pieces = {member: os.pread(file.fileno(), CHUNK, MEBIBYTE + stripe * CHUNK) for member, file in enumerate(files) if member != lost}
            pieces[lost] = _xor(pieces.values())
            for member in _places(stripe, count)[0]:
                written.write(pieces[member])
    for file in files:
        file.close()
