#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Settings, and the one that has a machine prepared in the background after each stop. Identity items are written by a stand-in
for libguestfs, which can be held half-way."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fault import clones  # noqa: E402
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402

KEY = "clone.prepare_after_stop"
LOWEST_PRIORITY = "19"
AT_ONCE = 6  # seconds, on a busy machine


class HomeThatPrepares(Home):
    """With a stopped source "web" that was never prepared; the setting is on."""

    def __init__(self):
        super().__init__()
        clones.use_stand_in(self)
        clones.import_image(self)
        clones.make_source(self)
        self.hold = os.path.join(self.base, "hold")
        self.run("set", "--global", KEY + "=true")

    def stop_held(self):
        """Starts and stops "web"; its job has begun to work then, and goes no further."""
        self.run("start", "web")
        result = self.run("stop", "web", "--force", env={"ANYVISOR_STAND_IN_HOLD": self.hold})
        check(processes.until(lambda: os.path.exists(self.hold), seconds(20)), f"no job works: {result}{self.log()}")
        check(self.info("web")["job"] == "prepare", f"it is not listed: {self.log()}")
        return result

    def log(self):
        with open(self.info("web")["host_log"], encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:] + "\n" + "\n".join(map(str, jobs() + clones.workers()))

    def release(self):
        """The job goes on until its end."""
        def ended():
            if os.path.exists(self.hold):
                os.remove(self.hold)
            return not jobs()
        check(processes.until(ended, seconds(20)), "the job does not end")

    def check_ended(self):
        check(processes.until(lambda: not jobs() and not clones.workers(), seconds(AT_ONCE)), "the job goes on")
        if os.path.exists(self.hold):
            os.remove(self.hold)


def jobs():
    return [process for process in processes.descendants() if process.state != "Z" and
            any(part.endswith("libexec/anyvisor/job") for part in process.arguments()[:1])]


def settings_are_read_and_checked():
    with Home() as home:
        path = os.path.join(home.path, "settings.json")
        check(home.run("get", "--global", KEY).out == "false\n" and not os.path.exists(path), "the default")
        home.run("set", "--global", KEY + "=on")
        check(home.run("get", "--global", KEY).out == "true\n", "as set")
        shown = home.json("get", "--global")["settings"]
        check((KEY, "true", "false") in [(each["key"], each["value"], each["default"]) for each in shown], f"{shown}")
        with open(path, encoding="utf-8") as file:
            check(json.load(file) == {"schema": 1, KEY: True}, "settings.json")
        home.run("set", "--global", KEY + "=")
        check(home.run("get", "--global", KEY).out == "false\n", "back at the default")
        for words, arguments in ((["clone.prepare"], ["clone.prepare=true"]), (["maybe", "true or false"], [KEY + "=maybe"])):
            result = home.run("set", "--global", "memory.backing=file", *arguments, "--format", "json", ok=False)
            check(result.kind() == "invalid_argument" and all(word in result.err for word in words), str(result))
            check(home.run("get", "--global", "memory.backing").out == "memfd\n", "half of the changes were made")
        home.import_tiny(disk=True)
        home.launch("web")
        for text, words in (('{"clone.prepare_after_stpo": true}', ["clone.prepare_after_stpo", KEY, "settings.json"]),
                            (f'{{"{KEY}": "often"}}', [KEY, "true or false"]), ("{", ["settings.json"])):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            for command in (["get", "--global"], ["set", "--global", KEY + "=true"]):
                result = home.run(*command, "--format", "json", ok=False)
                check(result.kind() == "invalid_argument" and all(word in result.err for word in words), str(result))
        # A machine can be stopped all the same.
        result = home.run("stop", "web", "--force")
        check("nothing was prepared" in result.err and home.info("web")["state"] == "Stopped", str(result))


def nothing_is_prepared_unless_asked_for():
    with HomeThatPrepares() as home:
        home.run("set", "--global", KEY + "=false")
        home.run("start", "web")
        home.run("stop", "web", "--force")
        check(not jobs() and not clones.read_folder(os.path.join(home.path, "prepared")), "it was prepared")


def clone_finds_it_done_or_waits():
    with HomeThatPrepares() as home:
        home.stop_held()
        check("(prepare)" in home.run("list").out, home.run("list").out)
        for process in jobs() + clones.workers():
            with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
                check(file.read().rsplit(")", 1)[1].split()[16] == LOWEST_PRIORITY, f"{process} has a higher priority")
        child = home.begin("clone", "web", "--name", "waits")
        check(not processes.until(child.ended, 1), "the clone did not wait for the preparation")
        home.release()
        result = home.finish(child)
        check(result.code == 0 and home.info("waits")["clone_identity"] == "slots", str(result))
        info = home.info("web")
        check(info["job"] == "" and not os.path.exists(os.path.join(info["folder"], "job.json")), f"{info}")
        # By those who would be held, were there anything left to do.
        home.run("clone", "web", "--name", "quick", env={"ANYVISOR_STAND_IN_HOLD": home.hold}, limit=AT_ONCE)
        source = clones.bytes_of(home, "web")
        for name in ("waits", "quick"):
            clones.check_slots(home, name, source)
        clones.check_everything(home)


def start_and_delete_are_not_held_up():
    with HomeThatPrepares() as home:
        home.stop_held()
        started = home.run("start", "web")
        check(home.info("web")["state"] == "Running", str(started))
        home.check_ended()
        home.run("stop", "web", "--force", env={"ANYVISOR_STAND_IN_HOLD": home.hold})
        check(processes.until(lambda: os.path.exists(home.hold), seconds(20)), "no job works")
        deleted = home.run("delete", "--purge", "web")
        check(not jobs() and not clones.workers(), "the job goes on")
        os.remove(home.hold)
        print(f"  start {started.elapsed:.1f} s, delete {deleted.elapsed:.1f} s beside a job")
        clones.check_everything(home)
        left = [name for name in os.listdir(os.path.join(home.path, "disks")) if name.endswith(".json")]
        check(len(left) == 1 and home.names() == [], f"left beside the image's disk: {left}")


def killed_job_leaves_nothing():
    with HomeThatPrepares() as home:
        home.stop_held()
        for process in jobs():
            processes.send(process.pid, signal.SIGKILL)
        home.check_ended()
        check(home.info("web")["job"] == "", "a dead job is listed")
        home.run("delete", "--purge", "nobody", ok=False)  # the next command
        check(not os.path.exists(os.path.join(home.info("web")["folder"], "job.json")), "job.json is left")
        clones.check_everything(home)
        home.run("clone", "web")
        clones.check_slots(home, "web-clone1", clones.bytes_of(home, "web"))


if __name__ == "__main__":
    suite.main(settings_are_read_and_checked, nothing_is_prepared_unless_asked_for, clone_finds_it_done_or_waits,
               start_and_delete_are_not_held_up, killed_job_leaves_nothing)
