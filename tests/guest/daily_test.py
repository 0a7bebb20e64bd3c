#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What people do all day: restart, several at once, names, sizes, deleting and taking back, logs, answers in other formats."""

import csv
import io
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import processes, suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check, seconds  # noqa: E402


def counts_on(home, name):
    said = len(home.console(name))
    check(processes.until(lambda: len(home.console(name)) > said, seconds(20)), f"{name} stands still")


def states(home):
    return {info["name"]: info["state"] for info in home.list()}


def refused(home, kind, *arguments):
    result = home.run(*arguments, "--format", "json", ok=False)
    check(result.kind() == kind, f"not {kind}: {result}")
    return json.loads(result.err.splitlines()[0])["error"]


def several_and_all():
    with Home() as home:
        home.import_tiny()
        for name in ("a", "b", "c"):
            home.launch(name)
        check("a is running already" in home.run("start", "a").out, "start says nothing of one that runs")
        check(home.json("start", "a")["already"] is True, "already")
        check("b is running already" in home.run("resume", "b").out, "resume says nothing of one that runs")
        told = home.run("pause", "a", "b").out
        check("Paused a" in told and "Paused b" in told, told)
        check("a is paused already" in home.run("pause", "a").out, "pause says nothing of one that is paused")
        check(home.run("resume", "--all").out.count("Resumed") == 2, "resume --all")
        check(len(home.json("pause", "--all")["instances"]) == 3, "pause --all")
        home.run("resume", "--all")
        check("for which there is anything to do" in home.run("resume", "--all").out, "resume --all with nothing to do")
        home.run("standby", "c")
        pids = {name: home.info(name)["vmm_pid"] for name in ("a", "b")}
        check(home.run("restart", "--all", "--force").out.count("Restarted") == 2, "restart --all")
        check(all(home.info(name)["vmm_pid"] not in (0, pid) for name, pid in pids.items()), "the same VMMs run")
        counts_on(home, "a")
        refused(home, "invalid_state", "restart", "c")
        home.run("stop", "--all", "--force")
        check(states(home) == {"a": "Stopped", "b": "Stopped", "c": "Standby"}, f"{states(home)}")
        check("a is stopped already" in home.run("stop", "a").out, "stop says nothing of one that is stopped")
        check("start it with" in refused(home, "invalid_state", "restart", "a")["hint"], "restart of a stopped one")
        error = refused(home, "invalid_state", "delete", "c")
        check("saved memory would be lost" in error["hint"], f"{error}")
        home.run("start", "--all")
        check(set(states(home).values()) == {"Running"}, f"{states(home)}")
        check(len(home.json("info")["instances"]) == 3, "info of all")
        told = home.run("delete", "--all", "--force", "--purge").out
        check("Deleted a for good" in told and home.list() == [], f"delete --all: {told}")
        home.check_no_process_left()


def deleted_and_taken_back():
    with Home() as home:
        home.import_tiny(disk=True)
        home.launch("web")
        refused(home, "invalid_state", "delete", "web")
        before = home.info("web")
        home.run("delete", "web", "--force")
        home.check_no_process_left()
        info = home.info("web")
        check(info["state"] == "Stopped" and re.match(r"\d{4}-", info["deleted"]), f"{info}")
        check(re.search(r"^web +Deleted ", home.run("list").out, re.M), home.run("list").out)
        home.run("delete", "web")  # it is
        for arguments in (["start", "web"], ["stop", "web"], ["clone", "web"], ["set", "web", "cpus=2"], ["compact", "web"],
                          ["restart", "web"]):
            check("is deleted" in refused(home, "invalid_state", *arguments)["message"], f"{arguments}")
        error = refused(home, "already_exists", "launch", "tiny", "--name", "web")
        check("keeps its name until it is purged" in error["message"] and "recover web" in error["hint"], f"{error}")
        check("Recovered web" in home.run("recover", "web").out and home.info("web")["deleted"] == "", "recover")
        check("web is not deleted" in home.run("recover", "web").out, "recover of one that is not deleted")
        home.run("start", "web")
        counts_on(home, "web")
        check(home.info("web")["id"] == before["id"], "another one was recovered")
        check("it is not deleted" in refused(home, "invalid_state", "purge", "web")["message"], "purge of one in use")
        home.launch("other")
        home.run("delete", "--all", "--force")
        # A deleted one gives its name up when it is asked to.
        home.run("rename", "other", "old")
        home.launch("other")
        check(home.json("purge", "web") == {"purged": ["web"]} and home.info("web") is None, "purge NAME")
        check("Purged old" in home.run("purge").out and "Nothing is deleted" in home.run("purge").out, "purge")
        check(home.names() == ["other"], f"{home.names()}")
        home.run("delete", "other", "--force")
        home.run("delete", "other", "--purge")
        check(home.list() == [] and not os.listdir(os.path.join(home.path, "instances")), "delete --purge of a deleted one")


def names():
    with Home() as home:
        home.import_tiny()
        home.launch("web")
        home.launch("db")
        refused(home, "already_exists", "rename", "web", "db")
        refused(home, "invalid_argument", "rename", "web", "-")
        check("Renamed web to www" in home.run("rename", "web", "www").out, "rename")
        check("called that already" in home.run("rename", "www", "www").out, "rename to the same")
        counts_on(home, "www")
        home.run("restart", "www", "--force")
        home.run("stop", "www", "--force")
        error = refused(home, "already_exists", "clone", "www", "--name", "www")
        check("source itself" in error["message"] and "delete" not in error["hint"], f"{error}")
        home.run("delete", "--purge", "--all", "--force")


def sizes():
    with Home() as home:
        home.import_tiny(disk=True)
        home.launch("web")
        check("stop it first" in refused(home, "invalid_state", "set", "web", "cpus=2")["hint"], "set of one that runs")
        home.run("stop", "web", "--force")
        told = home.run("set", "web", "cpus=2", "memory=48M", "disk=3M").out
        check("cpus of web is 2" in told and "memory of web is 48M" in told and "disk of web is 3M" in told, told)
        check(home.run("get", "web", "cpus", "memory", "disk").out == "2\n48M\n3M\n", home.run("get", "web").out)
        error = refused(home, "invalid_argument", "set", "web", "disk=2M")
        check("only grow" in error["message"] and error["field"] == "/disk", f"{error}")
        error = refused(home, "exhausted", "set", "web", "cpus=4", "memory=7000000G")
        check("does not fit on this host" in error["message"] and home.info("web")["cpus"] == 2, f"{error}")
        refused(home, "invalid_argument", "set", "web", "cpus=5000")
        home.run("set", "web", "disk=3M")  # as it is
        home.run("start", "web")
        counts_on(home, "web")
        home.run("standby", "web")
        check("start web" in refused(home, "invalid_state", "set", "web", "cpus=1")["hint"], "set of one in standby")
        # Guest memory in files is the disk's, and is not held against the host's memory.
        home.run("set", "--global", "memory.backing=file")
        home.run("delete", "--purge", "web", "--force")
        home.launch("bare", image="tiny")
        home.run("stop", "bare", "--force")
        home.run("set", "bare", "memory=7000000G")
        home.run("delete", "--purge", "bare")


def where_it_is():
    with Home() as home:
        home.import_tiny()
        home.launch("web", "--publish", "0:80", "--publish", "0:53/udp", network="restricted")
        info = home.info("web")
        ports = {(port["guest_port"], port["protocol"]): port["host_port"] for port in info["endpoints"][0]["publish"]}
        lines = home.run("resolve", "web").out.splitlines()
        check(lines[0] == info["id"] and f"80/tcp 127.0.0.1:{ports[80, 'tcp']}" in lines, f"{lines}")
        check(home.run("resolve", "web", "--port", "80").out == f"127.0.0.1:{ports[80, 'tcp']}\n", "--port")
        check(home.run("resolve", "web", "--port", "53", "--udp").out == f"127.0.0.1:{ports[53, 'udp']}\n", "--udp")
        check(len(home.json("resolve", "web")["publish"]) == len(ports), "resolve in JSON")
        refused(home, "not_found", "resolve", "web", "--port", "81")
        home.run("stop", "web", "--force")
        refused(home, "invalid_state", "resolve", "web")
        home.run("delete", "--purge", "web")


def logs():
    with Home() as home:
        home.import_tiny()
        home.launch("web")
        check(processes.until(lambda: home.console("web").count("\n") > 5, seconds(20)), "it says nothing")
        check(home.run("logs", "web", "--tail", "3").out.count("\n") in (3, 4), home.run("logs", "web", "--tail", "3").out)
        check(home.run("logs", "web", "--tail", "0").out == "", "--tail 0")
        check(home.run("logs", "web", "--tail", "100000").out.startswith(home.console("web")[:50]), "--tail of more than there is")
        check(home.json("logs", "web", "--source", "anyvisor")["source"] == "anyvisor", "--source anyvisor")
        own = os.path.join(home.folder(home.info("web")), "logs", "anyvisor.log")
        with open(own, encoding="utf-8") as file:
            check(home.run("logs", "web", "--source", "anyvisor").out.startswith(file.read()[:20]), "another log")
        vmm = os.path.join(home.folder(home.info("web")), "logs", "vmm.log")
        child = home.begin("logs", "web", "--source", "vmm", "--follow", "--tail", "1")
        with open(vmm, "a", encoding="utf-8") as file:
            file.write("first\nsecond\n")
        check(processes.until(lambda: os.fstat(child.out.fileno()).st_size >= len("second\n"), seconds(10)), "--follow shows nothing")
        home.run("stop", "web", "--force")
        result = home.finish(child, limit=20)
        check(result.code == 0 and "second" in result.out, str(result))
        home.run("delete", "--purge", "web")


def formats():
    with Home() as home:
        home.import_tiny()
        check(home.run("list", "--format", "csv").out == "" and home.run("list", "--format", "yaml").out == "instances: []\n", "of none")
        home.launch("a")
        home.launch("b")
        rows = list(csv.DictReader(io.StringIO(home.run("list", "--format", "csv").out)))
        check([row["name"] for row in rows] == ["a", "b"] and rows[0]["state"] == "Running", f"{rows}")
        check(json.loads(rows[0]["endpoints"]) == [], f"{rows[0]}")
        text = "\n" + home.run("info", "a", "--format", "yaml").out
        check("\nname: a\n" in text and "\nstate: Running\n" in text and "\nendpoints: []\n" in text, text)
        text = home.run("list", "--format", "yaml").out
        check(text.startswith("instances:\n  - ") and "\n    name: b\n" in text, text)
        result = home.run("start", "a", "nobody", "--format", "csv", ok=False)
        check(result.code == 3 and result.out.startswith("state,id,") and result.err.startswith("error: "), str(result))
        talked = home.run("restart", "a", "--force", "--verbose")
        check("restarting a: VMM start\n" in talked.err and "restarting a: boot\n" in talked.err, str(talked))
        silent = home.run("stop", "--all", "--force", "--quiet")
        check(silent.out == "" and silent.err == "", str(silent))
        home.run("delete", "--all", "--purge")


def leftovers():
    with Home() as home:
        home.import_tiny(disk=True)
        home.import_tiny("unused", disk=True)
        home.launch("web", "--wait", "running")
        check(home.run("prune").out == "Nothing is left over.\n", "something is left over")
        disk = os.path.join(home.path, "disks", "01900000-0000-7000-8000-000000000000.qcow2")
        with open(disk, "wb") as file:
            file.write(b"x" * 100_000)
        told = home.json("prune", "--dry-run")["leftovers"]
        check([(each["kind"], each["path"]) for each in told] == [("disk", disk)] and told[0]["size"] >= 100_000, f"{told}")
        check(os.path.exists(disk), "a dry run has removed something")
        told = home.json("prune", "--dry-run", "--images")["leftovers"]
        check(("image", "unused") in [(each["kind"], each["name"]) for each in told], f"{told}")
        check("tiny" not in [each["name"] for each in told], f"the image of an instance would go: {told}")
        check("Freed: " in home.run("prune").out and not os.path.exists(disk), "it is left")
        check({image["name"] for image in home.json("image", "list")["images"]} == {"tiny", "unused"}, "an image has gone")
        home.run("prune", "--images")
        check({image["name"] for image in home.json("image", "list")["images"]} == {"tiny"}, "the unused image has stayed")
        # What a deleted instance needs is needed.
        home.run("delete", "web", "--force")
        check(home.run("prune", "--images").out == "Nothing is left over.\n", "prune takes from a deleted instance")
        home.run("recover", "web")
        home.run("start", "web")
        counts_on(home, "web")
        home.run("delete", "--purge", "web", "--force")


if __name__ == "__main__":
    suite.main(several_and_all, deleted_and_taken_back, names, sizes, where_it_is, logs, formats, leftovers)
