#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine's life on the test backend (its VMM is sleep), driven through the plugin-host's protocol; then every way in which a
backend can break the contract: each becomes an error that a person can read, or costs its plugin-host, never the VMM.

backend_test.py BUILD_FOLDER [unittest arguments]
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sdk/conformance"))
from plugin_host import Ended, Failed, PluginHost  # noqa: E402

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAM = str(BUILD / "stage/libexec/anyvisor/plugin-host")
FACTOR = int(os.environ.get("ANYVISOR_TEST_TIME_FACTOR", "1"))
PLUGINS = [BUILD / f"test-plugins/anyvisor-{name}.so" for name in ("test-backend", "plain-c")]
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
MAC = "52:54:00:12:34:56"


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except FileNotFoundError:
        return False


def process_state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]


class Case(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="anyvisor-backend-"))
        self.folder = self.home / "instances" / ID
        (self.folder / "logs").mkdir(parents=True, mode=0o700)
        for part in (self.home, self.home / "instances", self.folder):
            part.chmod(0o700)
        self.pid = 0
        self.hosts = []

    def tearDown(self):
        self.forget()
        shutil.rmtree(self.home)

    def forget(self):
        """No plugin-host, no VMM, no record of one."""
        for host in self.hosts:
            host.kill()
        self.hosts = []
        if self.pid and alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        (self.folder / "process.json").unlink(missing_ok=True)

    def host(self, **settings):
        """A plugin-host of the instance, attached. Its settings are the test backend's."""
        host = PluginHost(PROGRAM, PLUGINS, folder=self.folder)
        self.hosts.append(host)
        self.state = host.call("machine.attach", self.attachment(**settings))["state"]
        return host

    def attachment(self, **settings):
        machine = {"id": ID, "name": "sleeper", "folder": str(self.folder), "cpus": 2, "memory": {"size": 1 << 30},
                   "boot": {"method": "kernel", "kernel": str(self.folder / "kernel")}, "disks": []}
        return {"backend": "test-backend", "settings": settings, "networks": {"plain-c": {}}, "machine": machine}

    def created(self, **settings):
        host = self.host(**settings)
        answer = host.call("machine.create", {"endpoints": []})
        self.assertEqual(answer["state"], "created")
        self.pid = self.record()["pid"]
        return host

    def running(self, **settings):
        host = self.created(**settings)
        self.assertEqual(host.call("machine.boot")["state"], "running")
        return host

    def record(self):
        return json.loads((self.folder / "process.json").read_text())

    def error_of(self, host, method, params=None, **limits):
        with self.assertRaises(Failed, msg=method) as failed:
            host.call(method, params or {}, **limits)
        self.assertTrue(failed.exception.error["message"])
        return failed.exception.error


class Life(Case):
    def test_from_created_to_stopped(self):
        host = self.host()
        self.assertEqual(self.state, "stopped")
        endpoint = host.call("network.acquire", {"plugin": "plain-c", "request": {
            "instance": {"id": ID, "name": "sleeper"}, "endpoint": {"id": "net0", "plugin": "plain-c", "mac": MAC}}})
        self.assertEqual((endpoint["mac"], endpoint["mode"]), (MAC, "none"))
        created = host.call("machine.create", {"endpoints": [endpoint]})
        self.assertEqual(created["state"], "created")
        self.assertEqual(created["hardware"]["cpus"], 2)
        self.pid = self.record()["pid"]
        self.assertEqual(pathlib.Path(f"/proc/{self.pid}/comm").read_text().strip(), "sleep")
        self.assertEqual(host.call("machine.boot")["state"], "running")
        self.assertEqual(host.call("machine.pause")["state"], "paused")
        until = time.monotonic() + 5
        while process_state(self.pid) != "T" and time.monotonic() < until:  # the signal is sent, and taken a little later
            time.sleep(0.01)
        self.assertEqual(process_state(self.pid), "T")
        self.assertEqual(host.call("machine.state")["state"], "paused")
        self.assertEqual(host.call("machine.resume")["state"], "running")
        self.assertIn(process_state(self.pid), "SR")
        self.assertEqual(host.call("machine.terminate", {"force": False, "grace_ms": 2000})["state"], "stopped")
        self.assertFalse(alive(self.pid))
        self.assertIsNotNone(self.record()["exit"])

    def test_save_restore_and_fork_decline_with_a_reason(self):
        host = self.running()
        for method in ("save", "restore", "fork"):
            error = self.error_of(host, f"machine.{method}", {"folder": str(self.folder)})
            self.assertEqual(error["kind"], "unsupported", method)
            self.assertIn("its machines have n", error["message"])
        for method in ("snapshot_disk", "attach_device", "detach_device", "resize"):
            self.assertEqual(self.error_of(host, f"machine.{method}")["kind"], "unsupported", method)
        self.assertEqual(host.call("machine.state")["state"], "running")

    def test_capabilities_carry_reasons(self):
        report = self.host().call("backend.capabilities", {"plugin": "test-backend", "settings": {}, "request": {}})
        for name in ("save", "restore", "fork"):
            self.assertEqual(report["capabilities"][name], {"answer": "no", "reason": "its machines have no memory"})

    def test_a_new_host_adopts_what_a_killed_one_left(self):
        for state in ("created", "running", "paused"):
            with self.subTest(state=state):
                self.forget()
                host = self.created() if state == "created" else self.running()
                if state == "paused":
                    host.call("machine.pause")
                host.kill()
                self.assertTrue(alive(self.pid))
                host = self.host()
                self.assertEqual(self.state, state)
                self.assertEqual(host.call("machine.terminate", {"force": True, "grace_ms": 0})["state"], "stopped")
                self.assertFalse(alive(self.pid))

    def test_a_guest_that_powers_off_is_noticed(self):
        host = self.running(on_shutdown="stays")
        host.call("machine.shutdown", {"method": "acpi"})
        self.assertEqual(host.call("machine.wait", {"states": ["shutdown", "stopped"]})["state"], "shutdown")
        self.assertTrue(alive(self.pid))

    def test_a_vmm_that_ends_is_noticed(self):
        host = self.running(on_shutdown="ends")
        host.call("machine.shutdown", {"method": "acpi"})
        self.assertEqual(host.call("machine.wait", {"states": ["shutdown", "stopped"]})["state"], "stopped")
        self.assertEqual(self.record()["exit"]["signal"], signal.SIGTERM)


class Misbehaviour(Case):
    def test_what_a_backend_reports_arrives_whole(self):
        error = self.error_of(self.created(fail_in="boot", status=10), "machine.boot")
        self.assertEqual(error["kind"], "exhausted")
        self.assertIn("fails in boot as told", error["message"])
        self.assertEqual(error["field"], "/test")
        self.assertEqual(error["hint"], "take fail_in out of its settings")

    def test_broken_promises_become_errors(self):
        for setting in ("throw_in", "throw_strange_in", "fail_silently_in", "garbage_reply_in", "wrong_reply_in",
                        "binary_reply_in", "long_reply_in"):
            with self.subTest(setting=setting):
                self.forget()
                host = self.created(**{setting: "boot"})
                error = self.error_of(host, "machine.boot")
                self.assertRegex(error["message"], "test-backend|no std::exception")
                self.assertIn(error["kind"], ("internal", "backend_failed", "corrupted"))
                host.call("machine.terminate", {"force": True, "grace_ms": 0})  # it still works

    def test_an_unknown_status_is_no_success(self):
        error = self.error_of(self.created(fail_silently_in="boot", status=999), "machine.boot")
        self.assertEqual(error["kind"], "internal")

    def test_a_failure_that_is_reported_but_not_returned(self):
        error = self.error_of(self.created(ok_with_fail_in="boot"), "machine.boot")
        self.assertEqual(error["kind"], "internal")
        self.assertIn("reports a failure and goes on", error["message"])

    def test_a_crash_costs_the_host_and_not_the_vmm(self):
        for setting in ("crash_in", "exit_in"):
            with self.subTest(setting=setting):
                self.forget()
                host = self.created(**{setting: "boot"})
                with self.assertRaises(Ended):
                    host.call("machine.boot")
                self.assertTrue(alive(self.pid))
                host = self.host()
                self.assertEqual(self.state, "created")

    def test_a_call_that_never_returns_is_reported_and_ends_the_host(self):
        host = self.created(hang_in="boot")
        begun = time.monotonic()
        host.begin("machine.boot", {}, deadline_ms=300)
        with self.assertRaises(Failed) as failed:
            host.finish(5 * FACTOR)
        self.assertEqual(failed.exception.error["kind"], "timeout")
        self.assertIn("test-backend", failed.exception.error["message"])
        self.assertLess(time.monotonic() - begun, 3 * FACTOR)
        self.assertEqual(host.process.wait(5 * FACTOR), 70)
        self.assertTrue(alive(self.pid))
        self.host()
        self.assertEqual(self.state, "created")

    def test_status_answers_while_a_call_hangs(self):
        host = self.created(hang_in="boot")
        host.begin("machine.boot", {}, deadline_ms=1500)
        until = time.monotonic() + 1
        while (busy := host.call("status", limit=1)["busy"]) != "machine.boot" and time.monotonic() < until:
            time.sleep(0.01)
        self.assertEqual(busy, "machine.boot")

    def test_cancelling_reaches_the_plugin(self):
        host = self.created(slow_in="boot")
        host.begin("machine.boot", {}, deadline_ms=30000)
        time.sleep(0.1)
        host.cancel()
        with self.assertRaises(Failed) as failed:
            host.finish(3 * FACTOR)
        self.assertEqual(failed.exception.error["kind"], "cancelled")
        self.assertEqual(host.call("machine.state")["state"], "created")

    def test_a_deadline_that_is_kept_is_a_timeout(self):
        host = self.created(slow_in="boot")
        error = self.error_of(host, "machine.boot", deadline_ms=200)
        self.assertEqual(error["kind"], "timeout")
        self.assertEqual(host.call("machine.state")["state"], "created")  # the host is still there

    def test_progress_is_passed_on(self):
        host = self.created(progress_in="boot")
        host.call("machine.boot")
        steps = [p["done"] for p in host.progress if p["phase"] == "test work"]
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(steps[-1:], [10])

    def test_failing_early(self):
        for setting in ("open", "attach"):
            with self.subTest(operation=setting):
                self.forget()
                host = PluginHost(PROGRAM, PLUGINS, folder=self.folder)
                self.hosts.append(host)
                error = self.error_of(host, "machine.attach", self.attachment(fail_in=setting))
                self.assertEqual(error["kind"], "backend_failed")

    def test_a_failed_create_leaves_no_vmm(self):
        host = self.host(fail_in="create")
        self.assertEqual(self.error_of(host, "machine.create", {"endpoints": []})["kind"], "backend_failed")
        self.assertEqual(host.call("status")["state"], "stopped")

    def test_unknown_settings_and_documents_are_refused_before_the_plugin_sees_them(self):
        host = PluginHost(PROGRAM, PLUGINS, folder=self.folder)
        self.hosts.append(host)
        error = self.error_of(host, "machine.attach", self.attachment(hang_inn="boot"))
        self.assertEqual(error["kind"], "invalid_argument")
        wrong = self.attachment()
        wrong["machine"]["cpus"] = 0
        error = self.error_of(host, "machine.attach", wrong)
        self.assertEqual(error["kind"], "invalid_argument")
        self.assertIn("cpus", error["field"])


if __name__ == "__main__":
    unittest.main()
