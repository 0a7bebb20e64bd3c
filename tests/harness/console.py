# SPDX-License-Identifier: MIT
"""The tiny guest prints a counter, eight hex digits a line, from 00000001."""

from harness.suite import check


def last_run(text):
    """The numbers since the guest last started; an unfinished last line is left out."""
    begin = text.rfind("00000001\n")
    if begin < 0:
        return []
    lines = text[begin:].split("\n")[:-1]
    try:
        return [int(line, 16) for line in lines]
    except ValueError:
        raise AssertionError(f"the console log is garbled: {text[begin:][:400]!r}") from None


def check_no_hole(text):
    """Every number since the last start follows the one before. Returns how many there are."""
    numbers = last_run(text)
    for expected, number in enumerate(numbers, 1):
        check(number == expected, f"the console log has {number} where {expected} should be")
    return len(numbers)
