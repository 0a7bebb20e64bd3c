#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The conformance suite on the test backend, whose VMM is sleep: it has faults, and the suite finds each of them.

finds_faults_test.py SUITE BUILD_FOLDER [unittest arguments]
"""

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

SUITE = pathlib.Path(sys.argv.pop(1)).resolve()
BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(SUITE))
import guests  # noqa: E402
import outcome  # noqa: E402
import qcow2  # noqa: E402
import schema  # noqa: E402

PLUGIN = BUILD / "test-plugins/anyvisor-test-backend.so"
# sleep looks at no document, knows no device and listens on no port.
FAULTS = {"bad documents", "what it declines it refuses", "network endpoint"}


def suite(*steps, **settings):
    """Exit status, and by step what came out of it and why."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        command = [sys.executable, "-B", SUITE / "run", "--plugin", PLUGIN, "--cli", BUILD / "stage/bin/anyvisor", "--report", report,
                   "--settings", json.dumps(settings)]
        for step in steps:
            command += ["--only", step]
        done = subprocess.run(command, capture_output=True, text=True)
        outcomes = {step["name"]: (step["outcome"], step["reason"]) for step in json.loads(report.read_text())["steps"]}
        return done.returncode, outcomes


def failed(outcomes):
    return {name for name, (outcome, _) in outcomes.items() if outcome == "FAIL"}


class Faults(unittest.TestCase):
    def test_what_sleep_does_not_do(self):
        code, outcomes = suite()
        self.assertEqual((code, failed(outcomes)), (1, FAULTS), outcomes)
        self.assertEqual(outcomes["boot pause resume"], ("declined", "console: sleep says nothing"))
        self.assertEqual(outcomes["save and restore"], ("declined", "save: its machines have no memory"))
        for name in ("load and negotiation", "killed vmm", "killed plugin host", "cancellation", "command line", "nothing left"):
            self.assertEqual(outcomes[name][0], "pass", outcomes[name])

    def test_a_step_that_does_not_end_says_where_it_stands(self):
        loader = importlib.machinery.SourceFileLoader("conformance_run", str(SUITE / "run"))
        run = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(run)
        begun = time.monotonic()
        with self.assertRaisesRegex(outcome.Failure, "did not end within 0 s.*test_a_step_that_does_not_end"), run.Limit(0):
            subprocess.run(["sleep", "20"])
        self.assertLess(time.monotonic() - begun, 15)

    def test_a_step_without_faults_passes(self):
        code, outcomes = suite("killed vmm")
        self.assertEqual((code, failed(outcomes)), (0, set()), outcomes)

    def test_faults_that_are_asked_for(self):
        for step, settings in (("killed vmm", {"fail_in": "boot"}), ("killed plugin host", {"crash_in": "adopt"}),
                               ("two machines at once", {"garbage_reply_in": "boot"}), ("deadlines are kept", {"hang_in": "boot"}),
                               ("killed plugin host", {"fail_in": "pause"}), ("guest endpoints", {"wrong_reply_in": "create"}),
                               ("capability report", {"wrong_reply_in": "capabilities"})):
            with self.subTest(step=step, settings=settings):
                code, outcomes = suite(step, **settings)
                self.assertEqual((code, failed(outcomes)), (1, {step}), outcomes)


class Parts(unittest.TestCase):
    def test_its_guests_are_those_of_the_sources(self):
        built = BUILD / "guests"
        self.assertEqual(guests.boot_disk(), (built / "disk.img").read_bytes())
        for name, code in (("tiny", guests.TINY), ("poweroff", guests.POWEROFF)):
            self.assertIn(guests.NOTE + code, (built / f"{name}.elf").read_bytes(), name)

    def test_its_overlays_are_what_qemu_takes_them_for(self):
        with tempfile.TemporaryDirectory() as folder:
            top, base = pathlib.Path(folder, "top.qcow2"), pathlib.Path(folder, "base.img")
            base.write_bytes(bytes(1 << 20))
            qcow2.make_overlay(top, 1 << 20, "base.img", "raw")
            subprocess.run(["qemu-img", "check", "-q", top], check=True)
            self.assertIsNone(qcow2.read(top, 70000, 4))
            subprocess.run(["qemu-io", "-c", "write -P 7 70000 512", top], check=True, capture_output=True)
            self.assertEqual((qcow2.read(top, 70000, 4), qcow2.read(top, 512, 4)), (b"\7\7\7\7", None))
            self.assertEqual(base.read_bytes(), bytes(1 << 20))

    def test_its_schema_check_finds_what_is_wrong(self):
        sound = {"capabilities": {"pause": {"answer": "no", "reason": "x"}}}
        self.assertEqual(schema.problems(sound, "capability-report"), [])
        for spoil in ({"capabilities": 1}, {}, {"capabilities": {"pause": {"answer": "no"}}},
                      {"capabilities": {"pause": {"answer": "maybe", "reason": "x"}}}, {**sound, "limits": {"cpus": 0}},
                      {**sound, "fused_hops": [["running"]]}, {**sound, "fused_hops": [["running", "nowhere"]]}):
            self.assertTrue(schema.problems(spoil, "capability-report"), spoil)


if __name__ == "__main__":
    unittest.main()
