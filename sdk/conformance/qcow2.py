# SPDX-License-Identifier: MIT
"""As much of qcow2 as the suite needs: an empty overlay, and what a file holds itself of one place."""

import struct

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
OFFSET_MASK = 0x00FFFFFFFFFFFE00
BACKING_FORMAT = 0xE2792ACA


def make_overlay(path, size, backing, backing_format):
    """A qcow2 file of `size` bytes without data of its own. `backing` is written as it stands: a bare name stays one."""
    entries = max(1, -(-size // (CLUSTER * CLUSTER // 8)))
    name = backing.encode()
    extension = struct.pack(">II", BACKING_FORMAT, len(backing_format)) + backing_format.encode().ljust(8, b"\0")
    extensions = extension + struct.pack(">II", 0, 0)
    # Clusters: 0 header, 1 refcount table, 2 its one block, 3 the L1 table.
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 104 + len(extensions), len(name), CLUSTER_BITS, size, 0,
                         entries, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104)
    refcounts = struct.pack(">4H", 1, 1, 1, 1)
    with open(path, "wb") as file:
        file.write((header + extensions + name).ljust(CLUSTER, b"\0"))
        file.write(struct.pack(">Q", 2 * CLUSTER).ljust(CLUSTER, b"\0"))
        file.write(refcounts.ljust(CLUSTER, b"\0"))
        file.write(bytes(CLUSTER))


def read(path, offset, length):
    """`length` bytes at `offset` (within one cluster) as the file itself holds them; None: it leaves them to its backing file."""
    with open(path, "rb") as file:
        def number(place):
            file.seek(place)
            return struct.unpack(">Q", file.read(8).ljust(8, b"\0"))[0]
        l1_table = number(40)
        l2_table = number(l1_table + (offset >> (2 * CLUSTER_BITS - 3)) * 8) & OFFSET_MASK
        if not l2_table:
            return None
        cluster = number(l2_table + (offset >> CLUSTER_BITS) % (CLUSTER // 8) * 8) & OFFSET_MASK
        if not cluster:
            return None
        file.seek(cluster + offset % CLUSTER)
        return file.read(length)
