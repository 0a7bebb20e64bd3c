# SPDX-License-Identifier: MIT
"""Prints how a run of scripts/test went: FOLDER with PRESET.xml (ctest's JUnit files), SECONDS, PRESETs.

Fails unless every preset has results and none of them failed.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml

TITLES = {"release": "release", "asan": "asan+ubsan", "tsan": "tsan"}


def reason(case):
    """Why a test was skipped: what it printed last, else what ctest says."""
    output = (case.findtext("system-out") or "").splitlines()
    told = [line.strip() for line in output if "skip" in line.lower() and not line.startswith("[")]
    skipped = case.find("skipped")
    message = skipped.get("message", "") if skipped is not None else ""
    if told:
        return told[0]
    after = [line.strip() for line, before in zip(output[1:], output) if before.rstrip().endswith("Skipped")]
    return after[0] if after else message or "no reason given"


def seconds_of(case):
    return float(case.get("time") or 0)


def end_of_output(case, lines=60):
    """The last lines that a failed test printed: the log of a long run may have been cut where they stood first."""
    output = (case.findtext("system-out") or "").rstrip().splitlines()
    return ([f"... {len(output) - lines} lines before"] if len(output) > lines else []) + output[-lines:]


def sweep_counts(case):
    """How many kill points a sweep went through, and what came of it: what it printed of that itself."""
    if not case.get("name").startswith("fault.sweep."):
        return []
    lines = (case.findtext("system-out") or "").splitlines()
    return [line for line in lines if " points (" in line or " runs, killed: " in line]


def main():
    folder, seconds, presets = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    total = failures = 0
    good = True
    summary = [f"Summary ({seconds // 60} min {seconds % 60} s)"]
    steps = folder / "failed-steps"
    for name in steps.read_text().splitlines() if steps.exists() else []:
        summary.append(f"  step failed: {name}")
        good = False
    for preset in presets:
        title, file = TITLES[preset], folder / f"{preset}.xml"
        if not file.exists():
            summary.append(f"  {title:<11} NOT TESTED: it was not built")
            good = False
            continue
        cases = xml.parse(file).getroot().findall("testcase")
        skipped = [case for case in cases if case.find("skipped") is not None]
        broken = [case for case in cases if case.find("skipped") is None and case.get("status") != "run"]
        passed = len(cases) - len(skipped) - len(broken)
        took = (folder / f"{preset}.seconds").read_text().strip()
        summary.append(f"  {title:<11} {passed} passed, {len(broken)} failed, {len(skipped)} skipped ({took} s with its build)")
        for case in cases:
            for line in sweep_counts(case):
                summary.append(f"    {line}")
        for case in sorted(cases, key=seconds_of, reverse=True)[:5]:
            summary.append(f"    longest: {case.get('name')} {seconds_of(case):.0f} s")
        for case in broken:
            summary.append(f"    failed: {case.get('name')}")
            print(f"\n== {title}: {case.get('name')} failed after {seconds_of(case):.0f} s; the end of what it printed:")
            print(*end_of_output(case), sep="\n")
        for case in skipped:
            summary.append(f"    skipped: {case.get('name')}: {reason(case)}")
        if not cases or broken:
            good = False
        total += len(cases) - len(skipped)
        failures += len(broken)
    share = 0 if total == 0 else 100 * (total - failures) // total
    print("", *summary, sep="\n")
    print(f"\n{share}% tests passed, {failures} tests failed out of {total}")
    return 0 if good and total else 1


sys.exit(main())
