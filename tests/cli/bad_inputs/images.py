# SPDX-License-Identifier: MIT
"""Images that lie: small files with hostile qcow2 headers, or that are no images."""

import os
import struct

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS


def qcow2(size=1 << 20, version=3, backing=(0, 0), cluster_bits=CLUSTER_BITS, encryption=0, l1=(1, 3 * CLUSTER), refcounts=(CLUSTER, 1),
          incompatible=0, l1_entry=0, clusters=4):
    """An empty qcow2 image: header, refcount table, refcount block, L1 table. Each argument makes one part of it lie."""
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", version, *backing, cluster_bits, size, encryption, *l1, *refcounts, 0, 0,
                         incompatible, 0, 0, 4, 104)
    content = bytearray(clusters * CLUSTER)
    content[:len(header)] = header
    content[CLUSTER:CLUSTER + 8] = struct.pack(">Q", 2 * CLUSTER)
    content[2 * CLUSTER:2 * CLUSTER + 2 * clusters] = struct.pack(">H", 1) * clusters
    content[3 * CLUSTER:3 * CLUSTER + 8] = struct.pack(">Q", l1_entry)
    return bytes(content)


def with_text(image, place, text):
    return image[:place] + text + image[place + len(text):]


def make(folder):
    """Writes them all."""
    secret = b"/etc/shadow"
    files = {
        "backing.qcow2": with_text(qcow2(backing=(512, len(secret))), 512, secret),
        "data-file.qcow2": qcow2(incompatible=4),
        "corrupt.qcow2": qcow2(incompatible=2),
        "unknown-feature.qcow2": qcow2(incompatible=1 << 40),
        "encrypted.qcow2": qcow2(encryption=1),
        "version-9.qcow2": qcow2(version=9),
        "clusters.qcow2": qcow2(cluster_bits=63),
        "huge-l1.qcow2": qcow2(l1=(0x7fffffff, 3 * CLUSTER)),
        "l1-elsewhere.qcow2": qcow2(l1=(1, 1 << 60)),
        "refcounts-elsewhere.qcow2": qcow2(refcounts=(1 << 60, 1)),
        "l2-beyond.qcow2": qcow2(l1_entry=(1 << 63) | (1 << 40)),
        "size-0.qcow2": qcow2(size=0),
        "size-huge.qcow2": qcow2(size=(1 << 63) + 512),
        "header-cut.qcow2": qcow2()[:50],
        "header-cut-3.qcow2": qcow2()[:80],
        "tables-cut.qcow2": qcow2()[:CLUSTER + 100],
        "good.qcow2": qcow2(),
        "vmdk.img": b"# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/shadow\" 0\n".ljust(1024, b"\n"),
        "vhdx.img": b"vhdxfile".ljust(1 << 16, b"\0"),
        "luks.img": b"LUKS\xba\xbe\0\1".ljust(1 << 16, b"\0"),
        "odd.raw": bytes(1000),
        "empty.raw": b"",
        "good.raw": bytes(1 << 20),
        "good.yaml": b"#cloud-config\npackages: [curl]\n",
        "tab.yaml": b"#cloud-config\npackages:\n\t- curl\n",
        "list.yaml": b"#cloud-config\n- curl\n",
        "open.yaml": b"#cloud-config\nusers: [{name: x}\n",
        "plain.yaml": b"packages: [curl]\n",
        "bytes.yaml": b"#cloud-config\nname: \xff\xfe\n",
        "empty.yaml": b"",
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    os.mkfifo(os.path.join(folder, "pipe"))
    os.symlink("loop", os.path.join(folder, "loop"))
