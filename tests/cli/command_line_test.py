#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The built command where no VMM is needed: parsing, help, messages, exit codes, JSON. Argument: the folder of the docs."""

import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check  # noqa: E402

# Arguments, exit code, what the message must contain.
REFUSED = [
    (["launhc"], 1, "did you mean 'anyvisor launch'?"),
    (["image", "imprt", "x"], 1, "did you mean 'anyvisor image import'?"),
    (["plugins", "frobnicate"], 1, 'there is no command "plugins frobnicate"'),
    (["--nope", "list"], 1, "there is no option --nope before a command"),
    (["list", "x"], 1, 'does not know what to do with "x"'),
    (["list", "--format", "xml"], 1, "use table, json, csv or yaml"),
    (["list", "--quiet", "--verbose"], 1, "contradict each other"),
    (["list", "--format"], 1, "--format needs a value"),
    (["list", "--home="], 1, "--home needs a"),
    (["launch", "x", "--memory", "12Q"], 1, "--memory 12Q: not a size\nhint: use a number with K, M, G or T"),
    (["launch", "x", "--disk", "-5G"], 1, "--disk -5G: not a size"),
    (["launch", "x", "--cpus", "two"], 1, "--cpus two: not a whole number"),
    (["launch", "x", "--cpus", "0"], 1, "--cpus 0: not a whole number from 1 up"),
    (["launch", "x", "--memroy", "1G"], 1, "did you mean --memory?"),
    (["launch", "x", "--mem", "1G"], 1, "has no option --mem"),
    (["launch", "x", "-z"], 1, "has no option -z"),
    (["launch", "x", "--name", "a", "--name", "b"], 1, "--name is given twice"),
    (["launch", "x", "--publish", "80"], 1, "names one port"),
    (["launch", "x", "--network", "none", "-p", "80:80"], 1, "--publish needs a network"),
    (["launch", "x", "--network", "bridge"], 1, "use user, restricted or none"),
    (["launch", "x", "--firmware", "efi"], 1, "use auto, kernel, bios or uefi"),
    (["launch", "x", "--cloud-init", "/"], 1, '--cloud-init "/": that is a folder'),
    (["launch", "x", "--cloud-init", "/dev/null"], 1, "the file is empty"),
    (["launch", "x", "--cloud-init", "-"], 1, "nothing came on standard input"),
    (["launch", "x", "--cloud-init", "/nowhere/file"], 3, 'cannot read "/nowhere/file"'),
    (["launch", "a", "b"], 1, 'does not know what to do with "b"'),
    (["launch", "nope"], 3, 'image "nope" does not exist'),
    (["stop"], 1, "needs NAME..."),
    (["stop", "x", "--force=yes"], 1, "--force takes no value"),
    (["stop", "x", "--force", "--timeout", "3"], 1, "give one of the two"),
    (["stop", "x", "--force", "--no-force"], 1, "contradict each other"),
    (["launch", "x", "--wait", "stopped"], 1, "use running, ssh or cloud-init"),
    (["start", "x", "--wait", "ssh", "--timeout", "soon"], 1, "not a time"),
    (["info", ""], 1, "an empty name"),
    (["info", "x"], 3, 'instance "x" does not exist'),
    (["start", "x"], 3, 'instance "x" does not exist'),
    (["stop", "x"], 3, 'instance "x" does not exist'),
    (["delete", "x"], 3, 'instance "x" does not exist'),
    (["delete"], 1, "needs NAME... or --all"),
    (["delete", "x", "--all"], 1, '"x" is named besides'),
    (["recover", "x"], 3, 'instance "x" does not exist'),
    (["purge", "x"], 3, 'instance "x" does not exist'),
    (["restart", "x"], 3, 'instance "x" does not exist'),
    (["restart"], 1, "needs NAME... or --all"),
    (["rename", "x"], 1, "needs NAME NEW-NAME"),
    (["rename", "x", "y"], 3, 'instance "x" does not exist'),
    (["rename", "x", "no name"], 6, "no name"),
    (["resolve", "x"], 3, 'instance "x" does not exist'),
    (["resolve", "x", "--port", "70000"], 1, "no port number"),
    (["resolve", "x", "--udp"], 1, "--udp goes with --port"),
    (["get"], 1, "or --global"),
    (["get", "x"], 3, 'instance "x" does not exist'),
    (["get", "x", "colour"], 1, "an instance has no property"),
    (["set", "x"], 1, "or --global"),
    (["set", "x", "cpus"], 1, "not of the form KEY=VALUE"),
    (["set", "x", "cpus=0"], 1, "cpus=0: not a whole number"),
    (["set", "x", "memory=much"], 1, "memory=much: not a size"),
    (["set", "x", "name=y"], 1, "cannot be set"),
    (["set", "x", "cpus=2"], 3, 'instance "x" does not exist'),
    (["launch", "x", "--memory", "8000000G"], 11, "does not fit on this host, which has"),
    (["completion", "tcsh"], 1, "use bash, zsh or fish"),
    (["logs", "x", "--source", "host"], 3, 'instance "x" does not exist'),
    (["logs", "x", "--tail", "-1"], 1, "not a whole number"),
    (["logs", "x"], 3, 'instance "x" does not exist'),
    (["copy", "x"], 1, "needs SOURCE..."),
    (["copy", "/etc/passwd", "/tmp/"], 6, "neither end of the copy is in a guest"),
    (["copy", "a:b", "/tmp/"], 3, 'instance "a" does not exist'),
    (["transfer", "/etc/passwd", "a:"], 3, 'instance "a" does not exist'),
    (["copy", "./a:b", "/x:y", "/tmp/"], 6, "neither end"),
    (["copy", "-", "-"], 1, "names a file in a guest"),
    (["copy", "-", "/etc/passwd", "a:b"], 1, "goes alone"),
    (["copy", "-r", "a:b", "-"], 1, "goes alone"),
    (["wait", "x"], 3, 'instance "x" does not exist'),
    (["wait", "x", "--for", "login"], 1, "use running, ssh, cloud-init or stopped"),
    (["wait", "x", "--timeout", "5d"], 1, "--timeout 5d: not a time"),
    (["wait", "x", "--timeout", "99999999999"], 1, "not a time"),
    (["wait"], 1, "needs NAME"),
    (["image", "info", "x"], 3, '"x"'),
    (["image", "remove", "x"], 3, '"x"'),
    (["image", "import"], 1, "needs a disk or a kernel"),
    (["image", "import", "x", "--format", "raw"], 1, "--disk-format"),
]

# Commands that end with the exit code of what they run: their own failures have one of their own.
OWN_FAILURE = 125
REFUSED_WITHOUT_KIND = [
    (["exec"], "needs NAME [--] COMMAND..."),
    (["exec", "x"], "needs NAME [--] COMMAND..."),
    (["exec", "x", "--"], "needs NAME [--] COMMAND..."),
    (["exec", "", "ls"], "an empty name"),
    (["exec", "x", ""], "the name of the command is empty"),
    (["exec", "--tty", "--no-tty", "x", "ls"], "contradict each other"),
    (["exec", "--env", "LANG", "x", "ls"], "no variable and its value"),
    (["exec", "--frobnicate", "x", "ls"], "has no option --frobnicate"),
    (["exec", "x", "ls", "--frobnicate"], 'instance "x" does not exist'),
    (["exec", "--workdir", "/", "-t", "x", "ls", "-l"], 'instance "x" does not exist'),
    (["exec", "x", "--", "ls", "--", "", "-z"], 'instance "x" does not exist'),
    (["exec", "x", "kubectl", "--format", "json"], 'error: instance "x" does not exist'),
    (["exec", "--format", "json", "x", "ls", "--format", "yaml"], '"kind":"not_found"'),
    (["shell"], "no instance runs"),
    (["shell", "x"], 'instance "x" does not exist'),
    (["shell", "x", "y"], 'does not know what to do with "y"'),
]


def commands(home):
    """Names of all commands, from the overview."""
    text = home.run("--help").out.split("Options of every command")[0]
    return [match.group(1) for match in re.finditer(r"^  ((?:image |plugins )?[a-z]+)  ", text, re.M)]


def refusals():
    with Home() as home:
        for arguments, code, message in REFUSED:
            result = home.run(*arguments, ok=False)
            check(result.code == code and message in result.err, f"expected {code} and {message!r}\n{result}")
            check(not result.out, f"a refusal wrote to stdout\n{result}")
            lines = result.err.splitlines()
            check(lines[0].startswith("error: ") and len(lines) <= 3, f"no message of at most three lines\n{result}")


def refusals_of_what_runs_something():
    with Home() as home:
        for arguments, message in REFUSED_WITHOUT_KIND:
            result = home.run(*arguments, ok=False)
            check(result.code == OWN_FAILURE and message in result.err and not result.out, f"expected {message!r}\n{result}")
            if result.err.startswith("{"):
                check(json.loads(result.err)["error"]["exit_code"] == OWN_FAILURE, str(result))


def refusals_in_json():
    with Home() as home:
        for arguments, code, _ in REFUSED:
            if "--format" in arguments:
                continue
            result = home.run(*arguments, "--format", "json", ok=False)
            error = json.loads(result.err)["error"]
            check(result.code == code == error["exit_code"] and error["message"], str(result))
            check((error["kind"] == "usage") == (code == 1), str(result))


def user_data_is_checked_first():
    """Before an image is looked for, fetched or anything else is done."""
    with Home() as home:
        path = os.path.join(home.base, "user-data")
        for content, code, wanted in ((b"#cloud-config\npackages: [jq\nx: 1\n", 6, "(line 3, column"),
                                      (b"packages: [jq]\n", 6, "begins with the line #cloud-config"),
                                      (b"\x1f\x8b\x08\x00", 6, "no text in UTF-8"),
                                      (b"#!" + b"x" * (1 << 20), 6, "too large"),
                                      (b"#cloud-config\nvendor_data: {enabled: false}\n", 6, "(line 2, column"),
                                      (b"#cloud-config\npackages: [jq]\n", 3, '"x" does not exist'),
                                      (b"#!/bin/sh\n", 3, '"x" does not exist')):
            with open(path, "wb") as file:
                file.write(content)
            result = home.run("launch", "x", "--cloud-init", path, ok=False)
            check(result.code == code and wanted in result.err and not result.out, f"{content[:40]}: wanted {code}, {wanted}: {result}")
        check(not os.listdir(os.path.join(home.path, "instances")) and not os.path.exists(os.path.join(home.path, "ssh")),
              f"something was made: {home.files()}")


def control_characters_in_messages():
    with Home() as home:
        result = home.run("info", "x\x1b[2J\x07y", ok=False)
        check("\x1b" not in result.err and "\x07" not in result.err, repr(result.err))
        check(json.loads(home.run("info", "x\x1b", "--format", "json", ok=False).err)["error"]["kind"] == "not_found", "")
        child = suite.processes.start([home.cli, "--home", home.path, "info", b"\xff", "--format", "json"], env=home.environment(),
                                      stderr=(reader_writer := os.pipe())[1])
        os.close(reader_writer[1])
        with open(reader_writer[0], encoding="utf-8") as errors:  # strict: bytes that are no UTF-8 raise
            check("\ufffd" in json.loads(errors.read())["error"]["message"], "an argument that is no UTF-8")
        check(child.wait(suite.seconds(10)) == 3, "exit code")


def help_of_every_command():
    with Home() as home:
        names = commands(home)
        check(len(names) >= 16 and "launch" in names and "image import" in names, f"the overview names {names}")
        for name in names:
            by_option = home.run(*name.split(), "--help").out
            check(f"Usage: anyvisor {name}" in by_option and "--format" in by_option, f"{name}: {by_option}")
            check(home.run("help", *name.split()).out == by_option, f"'help {name}' differs from '{name} --help'")
            check(max(map(len, by_option.splitlines())) <= 118, f"{name}: a line is too long\n{by_option}")
        check("image import" in home.run("image", "--help").out, "help of a group")
        nothing = home.run(ok=False)  # "--home DIR" alone
        check(nothing.code == 1 and "no command" in nothing.err, str(nothing))
        check(not os.path.exists(home.path), "help made a home folder")


def options_before_and_after_the_command():
    with Home() as home:
        for arguments in (["--format", "json", "list"], ["--format=json", "list"], ["list", "--format", "json"], ["ls", "--format=json"]):
            check(json.loads(home.run(*arguments).out) == {"instances": []}, f"{arguments}")


def an_empty_home():
    with Home() as home:
        check("anyvisor launch" in home.run("list").out, "an empty list says nothing")
        check(home.run("list", "--quiet").out == "", "--quiet talks")
        check(home.json("list") == {"instances": []}, "list")
        check(home.json("image", "list") == {"images": []}, "image list")
        check(home.run("image").out == home.run("image", "list").out, "'image' alone lists")
        check("no home folder" in home.run("list").out, "a home folder that is not there is not told of")
        for arguments in (["doctor"], ["plugins", "list", "--fresh"], ["info"], ["purge"], ["prune"], ["get", "--global"]):
            home.run(*arguments)
        for arguments in (["start", "x"], ["clone", "x"], ["compact", "x"], ["prepare", "x"], ["image", "remove", "x"], ["delete", "x"]):
            check(home.run(*arguments, ok=False).code == 3, f"{arguments}")
        check(not os.path.exists(home.path), f"looking has made a home folder: {home.files(cache=True)}")
        home.run("set", "--global", "clone.prepare_after_stop=true")
        check(os.stat(home.path).st_mode & 0o777 == 0o700, "the home folder is open to others")


def no_backend_can_run():
    """Each says why not, and what helps."""
    with Home() as home:
        result = home.run("launch", "x", env={"PATH": "/nonexistent"}, ok=False)
        check(result.code == 9 and "no backend can run a machine" in result.err, str(result))
        check("qemu: QEMU is not installed" in result.err and "cloud-hypervisor: Cloud Hypervisor is not installed" in result.err, str(result))


def several_names():
    with Home() as home:
        result = home.run("info", "a", "b", "c", ok=False)
        check(result.code == 3 and result.err.count("does not exist") == 3, str(result))
        result = home.run("delete", "--purge", "a", "b", "--format", "json", ok=False)
        check([json.loads(line)["error"]["kind"] for line in result.err.splitlines()] == ["not_found"] * 2, str(result))


def version():
    with Home() as home:
        check(re.fullmatch(r"anyvisor \d+\.\d+\.\d+\n", home.run("version").out), "version")
        number = home.json("version")["version"]
        check(home.run("version").out == f"anyvisor {number}\n", "the two differ")
        check(not os.path.exists(home.path), "version made a home folder")


def output_that_cannot_be_written():
    with Home() as home, open("/dev/full", "w", encoding="utf-8") as full:
        child = suite.processes.start([home.cli, "version"], env=home.environment(), stdout=full.fileno())
        check(child.wait(10) == 2, "a full disk was not noticed")


def documented_exit_codes():
    with Home() as home, open(os.path.join(sys.argv[1], "exit-codes.md"), encoding="utf-8") as file:
        documented = re.findall(r"^\| (\d+) \| `(\w+)`", file.read(), re.M)
        shown = re.findall(r"(\d+) (\w+)", home.run("--help").out.split("Exit codes")[1])
        names = {"wrong": "usage", "interrupted": "cancelled"}
        check([(code, names.get(kind, kind)) for code, kind in shown if kind != "success"] == documented, f"{shown}\n{documented}")


def documented_json():
    with Home() as home, open(os.path.join(sys.argv[1], "json-output.md"), encoding="utf-8") as file:
        text = file.read()
        for finding in home.json("doctor")["findings"]:
            for member in finding:
                check(f"`{member}`" in text, f"docs/json-output.md does not name {member}")


if __name__ == "__main__":
    suite.main(refusals, refusals_of_what_runs_something, user_data_is_checked_first, refusals_in_json, control_characters_in_messages, help_of_every_command,
               options_before_and_after_the_command, an_empty_home, no_backend_can_run, several_names, version, output_that_cannot_be_written,
               documented_exit_codes, documented_json)
