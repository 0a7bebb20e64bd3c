#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed tree serves other programs: examples/embed is built against it by find_package and by pkg-config, and runs a guest.
The tiny guest has no login, so that the example's exec is not reached here. Arguments: the build folder, examples/embed, cmake, the
C++ compiler, and flags for it."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import suite  # noqa: E402
from harness.home import Home  # noqa: E402
from harness.suite import check  # noqa: E402

BUILD, EXAMPLE, CMAKE, COMPILER, *FLAGS = sys.argv[1:]


def run(*words, env=None):
    done = subprocess.run(words, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(done.returncode == 0, f"{' '.join(words)}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def launches(home, program):
    home.import_tiny()
    before = home.files()
    said = run(program, "tiny", env=home.environment({"ANYVISOR_HOME": home.path})).splitlines()
    check(len(said) == 3 and said[0].startswith("launched ") and "nobody can log in" in said[1] and said[2].startswith("deleted "), f"{said}")
    check(home.list() == [] and home.files() - before <= {"names.lock", "disks.lock"}, f"left: {home.files() - before}")
    home.check_no_process_left()


def found_by_cmake_where_it_was_moved_to():
    """Installed, moved, and found there: nothing is bound to the place."""
    with Home() as home:
        first, prefix, build = (os.path.join(home.base, name) for name in ("first", "prefix", "build"))
        run(CMAKE, "--install", BUILD, "--prefix", first)
        os.rename(first, prefix)
        home.cli = os.path.join(prefix, "bin", "anyvisor")
        run(CMAKE, "-S", EXAMPLE, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={COMPILER}",
            f"-DCMAKE_CXX_FLAGS={' '.join(FLAGS)}")
        run(CMAKE, "--build", build)
        launches(home, os.path.join(build, "embed"))


def found_by_pkg_config():
    if not shutil.which("pkg-config"):
        raise suite.Skip("pkg-config is not installed")
    with Home() as home:
        prefix = os.path.join(home.base, "prefix")
        run(CMAKE, "--install", BUILD, "--prefix", prefix)
        folders = [os.path.join(folder, "pkgconfig") for folder, names, _ in os.walk(prefix) if "pkgconfig" in names]
        check(len(folders) == 1, f"{folders}")
        flags = run("pkg-config", "--cflags", "--libs", "anyvisor", env={**os.environ, "PKG_CONFIG_PATH": folders[0]}).split()
        program = os.path.join(home.base, "embed")
        library = os.path.dirname(folders[0])
        run(COMPILER, "-std=c++20", *FLAGS, os.path.join(EXAMPLE, "main.cpp"), "-o", program, *flags, f"-Wl,-rpath,{library}")
        home.cli = os.path.join(prefix, "bin", "anyvisor")
        launches(home, program)


if __name__ == "__main__":
    suite.main(found_by_cmake_where_it_was_moved_to, found_by_pkg_config)
