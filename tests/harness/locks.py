# SPDX-License-Identifier: MIT
"""OFD locks as core/src/storage/lock.hpp takes them."""

import errno
import fcntl
import os
import struct

F_OFD_SETLK = 37


def is_free(path):
    """Could it be locked now? True too when it is missing. The lock is given back at once."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        whole_file = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(descriptor, F_OFD_SETLK, whole_file)
        return True
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    finally:
        os.close(descriptor)


def holders(path, processes):
    """Those of `processes` that have the file open."""
    found = []
    for process in processes:
        try:
            for entry in os.scandir(f"/proc/{process.pid}/fd"):
                if os.readlink(entry.path) == str(path):
                    found.append(process)
                    break
        except OSError:
            pass
    return found
