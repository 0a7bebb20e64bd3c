# SPDX-License-Identifier: MIT
"""The suite's guests, a few bytes of code each, so that it needs no compiler and no image.

Their sources are tests/guests/*.S of anyvisor. tiny and poweroff are ELF files with a PVH note (32-bit protected mode, no
paging, no stack), disk is a boot sector. tests/sdk/conformance_guests_test.py holds these bytes against what is built.
"""

import pathlib
import struct

LOAD_ADDRESS = 0x100000
NOTE = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", LOAD_ADDRESS + 20)  # XEN_ELFNOTE_PHYS32_ENTRY; the code follows

# Prints a counter on COM1 for ever, eight hexadecimal digits a line, from 1 on.
TINY = bytes.fromhex("31db4389d8b908000000c1c00489c7240f04303c397602042766baf803ee89f8e2e8b00aeeb9a0860100f390e2fcebd2")

# Prints "off" and powers the machine off through ACPI, at the ports of q35 and of Cloud Hypervisor.
POWEROFF = bytes.fromhex("be3900100066baf803ac84c07403eeebf866ba040666b8002066ef66ba0006b034eef4ebfd6f66660a00")

# Prints "disk", then for ever adds one to the number in the disk's second sector, and prints a dot for each; "!" when it cannot.
DISK = bytes.fromhex(
    "31c08ed88ec08ed0bc007c8816557cbe567cac84c07406baf803eeebf5b442e81e0066ff060080b80043e81300b02ebaf803"
    "ee66b9e8030000f39067e2fbebdd8a16557cbe5c7ccd137201c3b021baf803eef4ebf7006469736b0a001000010000800000"
    "01")

DISK_SIZE = 1 << 20
SECTOR = 512


def elf(code):
    """An executable that a VMM loads by its PVH note: 64-bit file, 32-bit code."""
    body = NOTE + code
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 2, 62, 1, LOAD_ADDRESS + len(NOTE), 64, 0, 0,
                         64, 56, 2, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, LOAD_ADDRESS, LOAD_ADDRESS, len(body), len(body), 0x1000)
    note = struct.pack("<IIQQQQQQ", 4, 4, 0x1000, LOAD_ADDRESS, LOAD_ADDRESS, len(NOTE), len(NOTE), 4)
    return (header + segment + note).ljust(0x1000, b"\0") + body


def boot_disk():
    return (DISK.ljust(510, b"\0") + b"\x55\xaa").ljust(DISK_SIZE, b"\0")


def write(folder):
    """tiny.elf, poweroff.elf and disk.img in `folder`."""
    folder = pathlib.Path(folder)
    for name, content in (("tiny.elf", elf(TINY)), ("poweroff.elf", elf(POWEROFF)), ("disk.img", boot_disk())):
        (folder / name).write_bytes(content)
