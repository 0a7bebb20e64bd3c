# SPDX-License-Identifier: MIT
"""What the whole-process benchmarks share: repetitions, medians, one table row each."""

import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import harness  # noqa: E402,F401  (found there by those who import this)


def repetitions(default):
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=default, help=f"default {default}")
    return parser.parse_args().repetitions


def print_row(name, seconds, target_ms=None):
    """Median and spread in milliseconds. Times are never asserted: machines differ, and noise is no failure."""
    times = sorted(value * 1000 for value in seconds)
    median = statistics.median(times)
    verdict = "" if target_ms is None else f"  target {target_ms:g} ms: {'met' if median <= target_ms else 'MISSED'}"
    print(f"{name:<44} median {median:8.1f} ms  min {times[0]:8.1f}  max {times[-1]:8.1f}  n {len(times)}{verdict}", flush=True)
    return median
