#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Good plugins load and work, whoever compiled them, stripped or not; bad ones are refused with the reason and do no harm.

plugins_test.py BUILD_FOLDER [unittest arguments]
"""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import bad_cases
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sdk/conformance"))
from plugin_host import Ended, Failed, PluginHost  # noqa: E402

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
FACTOR = int(os.environ.get("ANYVISOR_TEST_TIME_FACTOR", "1"))
PROGRAM = str(BUILD / "stage/libexec/anyvisor/plugin-host")
CLI = str(BUILD / "stage/bin/anyvisor")
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
ENDPOINT = {"id": "net0", "plugin": "plain-c", "mac": "52:54:00:12:34:56", "publish": []}


def copies(folder, files):
    """Copies of the files in `folder`, writable by nobody else whatever the build's umask was."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    paths = []
    for file in files:
        shutil.copyfile(file, folder / file.name)
        os.chmod(folder / file.name, 0o644)
        paths.append(folder / file.name)
    return paths


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anyvisor-abi-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.mark = self.folder / "loaded"
        self.environment = {"ANYVISOR_TEST_LOADED": str(self.mark)}

    def host(self, *plugins):
        host = PluginHost(PROGRAM, plugins, environment=self.environment)
        self.addCleanup(host.close)
        return host


def good(kind, name):
    path = BUILD / f"{kind}-plugins" / f"anyvisor-{name}.so"
    if name == "clang-built" and not path.exists():
        raise unittest.SkipTest("clang++ was not found when this was built")
    return path


class GoodPlugins(Case):
    def test_all_describe_themselves_in_one_host(self):
        for kind in ("test", "stripped"):
            with self.subTest(kind=kind):
                files = sorted((BUILD / f"{kind}-plugins").glob("anyvisor-*.so"))
                self.assertGreaterEqual(len(files), 2)
                plugins = self.host(*files).call("plugins")["plugins"]
                self.assertEqual([p["path"] for p in plugins], [str(f) for f in files])
                for plugin in plugins:
                    self.assertNotIn("error", plugin)
                    self.assertEqual(plugin["path"], str(BUILD / f"{kind}-plugins" / f"anyvisor-{plugin['id']}.so"))
                    self.assertEqual(plugin["abi"], "0.1")
                    self.assertEqual(len(plugin["interfaces"]), 1)
                    self.assertEqual(plugin["license"], "MIT")

    def test_stripped_means_without_a_symbol_table(self):
        for name in ("test-backend", "plain-c"):
            sections = subprocess.check_output(["readelf", "-SW", good("stripped", name)], text=True)
            self.assertNotIn(".symtab", sections)
            self.assertIn(".dynsym", sections)

    def test_plain_c_works(self):
        for kind in ("test", "stripped"):
            with self.subTest(kind=kind):
                host = self.host(good(kind, "plain-c"))
                report = host.call("network.capabilities", {"plugin": "plain-c", "settings": {}, "request": {}})
                self.assertIn("hotplug_nic", report["capabilities"])

    def test_plain_c_needs_no_cpp_runtime(self):
        dynamic = subprocess.check_output(["readelf", "-dW", good("test", "plain-c")], text=True)
        self.assertNotIn("libstdc++", dynamic)

    def test_clang_built_works(self):
        for kind in ("test", "stripped"):
            with self.subTest(kind=kind):
                host = self.host(good(kind, "clang-built"))

                def ask(method, reference):
                    request = {"reference": reference, "folder": str(self.folder)}
                    return host.call(f"image_store.{method}",
                                     {"plugin": "clang-built", "settings": {"greeting": "hello"}, "request": request})

                answer = ask("resolve", "clang:debian")
                self.assertEqual(answer["name"], "debian")
                self.assertIn("Clang", answer["summary"])
                self.assertIn("does not begin with clang:", ask("resolve", "elsewhere")["declined"])
                with self.assertRaises(Failed) as failed:
                    ask("fetch", "clang:debian")
                self.assertEqual(failed.exception.error["kind"], "unavailable")
                self.assertEqual(failed.exception.error["hint"], "take another image")
                self.assertTrue(failed.exception.error["retry"])
                self.assertEqual([p["done"] for p in host.progress if p["phase"] == "download"], [0, 2])

    def test_settings_are_checked_against_the_plugins_schema(self):
        host = self.host(good("test", "clang-built"))
        with self.assertRaises(Failed) as refused:
            host.call("image_store.resolve",
                      {"plugin": "clang-built", "settings": {"greeting": 7}, "request": {"reference": "clang:x"}})
        self.assertEqual(refused.exception.error["kind"], "invalid_argument")
        self.assertIn("greeting", refused.exception.error["field"])


class BadPlugins(Case):
    def setUp(self):
        super().setUp()
        self.bad = self.folder / "bad"
        copies(self.bad, sorted((BUILD / "bad-plugins").glob("anyvisor-*.so")))
        bad_cases.complete(self.bad, good("test", "plain-c"))

    def file(self, name):
        return self.bad / f"anyvisor-{name}.so"

    def test_the_table_names_every_one(self):
        known = set(bad_cases.REFUSED) | set(bad_cases.HARMFUL) | set(bad_cases.FINE)
        self.assertEqual({f.name for f in self.bad.glob("*.so")}, {f"anyvisor-{name}.so" for name in known})

    def test_each_is_refused_with_the_reason_and_the_others_load(self):
        for name in bad_cases.REFUSED:
            with self.subTest(name=name):
                host = self.host(self.file(name), good("test", "plain-c"))
                bad, fine = host.call("plugins")["plugins"]
                self.assertEqual(bad["path"], str(self.file(name)))
                said = bad_cases.without_paths(bad["error"]["message"] + " " + bad["error"].get("hint", ""))
                self.assertRegex(said, bad_cases.pattern_of(name))
                self.assertEqual(fine["id"], "plain-c")
                self.assertNotIn("error", fine)
                if name in bad_cases.NEVER_RUN:
                    self.assertFalse(self.mark.exists(), "code of it has run")
                self.mark.unlink(missing_ok=True)

    def test_unusual_ones_load(self):
        files = [self.file(name) for name in bad_cases.FINE]
        for plugin in self.host(*files).call("plugins")["plugins"]:
            self.assertNotIn("error", plugin, plugin)
        self.assertTrue(self.mark.exists(), "the mark would be seen")

    def test_harmful_ones_take_their_host_down_and_nothing_else(self):
        for name in bad_cases.HARMFUL:
            if name.startswith("hang"):
                continue
            with self.subTest(name=name):
                with self.assertRaises(Ended):
                    host = PluginHost(PROGRAM, [self.file(name)], environment=self.environment)
                    self.addCleanup(host.close)
                    host.call("plugins")


class CommandLine(Case):
    """What people see: discovery, the checks of files, and a plugin-host for what is loaded."""

    def setUp(self):
        super().setUp()
        if not os.access(CLI, os.X_OK):
            self.skipTest("the command line is not built")
        self.plugins = self.folder / "plugins"
        self.good = copies(self.plugins, sorted((BUILD / "test-plugins").glob("anyvisor-*.so")))
        self.environment.update(ANYVISOR_HOME=str(self.folder / "home"), ANYVISOR_PLUGIN_PATH=str(self.plugins),
                                HOME=str(self.folder))

    def add_bad(self, *names):
        copies(self.plugins, [BUILD / f"bad-plugins/anyvisor-{name}.so" for name in names])

    def run_cli(self, *arguments):
        begun = time.monotonic()
        done = subprocess.run([CLI, *map(str, arguments)], env=dict(os.environ, **self.environment), text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        return done, time.monotonic() - begun

    def listed(self):
        done, seconds = self.run_cli("plugins", "list", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        plugins = document["plugins"] if isinstance(document, dict) else document
        return {pathlib.Path(p["path"]).name[len("anyvisor-"):-len(".so")]: p for p in plugins
                if p["path"].startswith(str(self.folder))}, seconds

    def expect_good(self, plugins):
        for file in self.good:
            plugin = plugins[file.name[len("anyvisor-"):-len(".so")]]
            self.assertFalse(plugin.get("error"), plugin)
            self.assertEqual(plugin["abi"], "0.1")

    def test_list_shows_good_ones(self):
        plugins, _ = self.listed()
        self.assertEqual(len(plugins), len(self.good))
        self.expect_good(plugins)

    def test_list_survives_all_that_is_bad_together_within_five_seconds(self):
        self.add_bad(*[name for name in {**bad_cases.REFUSED, **bad_cases.HARMFUL}
                       if (BUILD / f"bad-plugins/anyvisor-{name}.so").exists()])
        bad_cases.complete(self.plugins, self.good[0])
        plugins, seconds = self.listed()
        self.expect_good(plugins)
        for name in {**bad_cases.REFUSED, **bad_cases.HARMFUL}:
            with self.subTest(name=name):
                said = bad_cases.without_paths(json.dumps(plugins[name]))
                self.assertRegex(said, bad_cases.pattern_of(name))
        self.assertLess(seconds, 5 * FACTOR, "one that hangs is reported within 5 s")
        plugins, _ = self.listed()  # and again, from the cache for the good ones
        self.expect_good(plugins)

    def test_check_tells_what_is_wrong_within_five_seconds(self):
        for name in ("stray", "other-major", "crash-loading", "hang-loading", "exit-loading"):
            with self.subTest(name=name):
                self.add_bad(name)
                done, seconds = self.run_cli("plugins", "check", self.plugins / f"anyvisor-{name}.so")
                self.assertNotEqual(done.returncode, 0)
                self.assertGreater(done.returncode, 0, "the command line itself lives")
                self.assertRegex(bad_cases.without_paths(done.stdout + done.stderr), bad_cases.pattern_of(name))
                self.assertLess(seconds, 5 * FACTOR)

    def test_check_of_a_good_one(self):
        done, _ = self.run_cli("plugins", "check", self.good[0])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_world_writable_folder_is_refused(self):
        os.chmod(self.plugins, 0o777)
        plugins, _ = self.listed()
        self.assertEqual(len(plugins), len(self.good))
        for plugin in plugins.values():
            self.assertIn("mode 0777", json.dumps(plugin))
            self.assertIn("chmod", json.dumps(plugin))
        os.chmod(self.plugins, 0o755)
        plugins, _ = self.listed()
        self.expect_good(plugins)

    def test_a_file_that_the_group_can_write_to_is_refused(self):
        os.chmod(self.good[0], 0o664)
        plugins, _ = self.listed()
        self.assertTrue(plugins[self.good[0].name[len("anyvisor-"):-len(".so")]]["error"])
        self.assertEqual(stat.S_IMODE(os.stat(self.good[0]).st_mode), 0o664, "nobody repairs it unasked")


if __name__ == "__main__":
    unittest.main()
