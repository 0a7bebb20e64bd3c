# SPDX-License-Identifier: MIT
"""The tables of bad_inputs_test.py and what they are about.

*.table         the cases, by meaning: what is asked for, its exit code, its exact words
cases.py        reads a table and holds the program to it
damage.py       documents of a home folder, damaged and mended again
images.py       images that lie
surroundings.py a host on which something is missing, full, taken or forbidden
"""
