# SPDX-License-Identifier: MIT
"""How a step ends: it returns (pass), or raises one of these."""


class Declined(Exception):
    """The backend says that it cannot, or this machine lacks what the step needs; with the reason."""


class Failure(Exception):
    """The backend breaks a promise; with what was seen."""


def check(condition, message):
    if not condition:
        raise Failure(message)
