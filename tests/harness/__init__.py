# SPDX-License-Identifier: MIT
"""What process-level tests share: a home folder of their own, the built programs, and what is left of them.

processes.py   everything that a test started, found by kinship: this process is a child subreaper, so that nothing gets away
home.py        a home folder in a temporary folder, the CLI on it, and what stands in it
locks.py       is an OFD lock free
points.py      stop a program at a durable step (core/src/storage/durable_step.hpp)
console.py     the tiny guest's counter
suite.py       running test functions, skips, time limits
"""
