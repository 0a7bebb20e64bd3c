#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The conformance suite on a real Cloud Hypervisor: the one that ANYVISOR_TEST_CLOUD_HYPERVISOR names, else the one on PATH.

real_vmm_test.py SUITE BUILD_FOLDER [--report FILE]

Exit 77, and why, where there is none, or no KVM. Where KVM cannot tell a nested guest's state (EINVAL to KVM_GET_NESTED_STATE, which
Cloud Hypervisor's snapshot does not expect), a library is preloaded that says that there is none: the program itself is unmodified.
"""

import errno
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE = 0xAE03, 157
NO_NESTED_STATE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
int ioctl(int fd, unsigned long request, ...) {
  static int (*real)(int, unsigned long, ...);
  if (!real) real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  int result = real(fd, request, argument);
  if (result == 0 || errno != EINVAL) return result;
  if (request == KVM_SET_NESTED_STATE) return 0;
  if (request != KVM_GET_NESTED_STATE) return result;
  struct kvm_nested_state* state = argument;
  memset(state, 0, sizeof *state);
  state->size = sizeof *state;
  state->format = 1;
  return 0;
}
"""


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def find_binary():
    named = os.environ.get("ANYVISOR_TEST_CLOUD_HYPERVISOR")
    if named and not os.access(named, os.X_OK):
        sys.exit(f"ANYVISOR_TEST_CLOUD_HYPERVISOR={named} is no program")
    return named or shutil.which("cloud-hypervisor") or skip(
        "no Cloud Hypervisor: name one by ANYVISOR_TEST_CLOUD_HYPERVISOR, or put it on PATH. NOTHING of the real one was tested")


def kvm_has_nested_state():
    try:
        with open("/dev/kvm", "rb+", buffering=0) as kvm:
            return fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE) > 0
    except OSError as error:
        skip(f"/dev/kvm cannot be used: {errno.errorcode.get(error.errno, error)}")


def wrapped(binary, folder):
    """What to start instead of the program where its KVM lacks something."""
    if kvm_has_nested_state() and not os.environ.get("ANYVISOR_TEST_PRELOAD_NESTED_STATE"):
        return binary
    print("KVM here has no nested state: preloading a library that says so in a way that Cloud Hypervisor expects")
    source = folder / "nested_state.c"
    source.write_text(NO_NESTED_STATE)
    compiler = shutil.which("cc") or skip("no C compiler for the library to preload")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", source, "-o", folder / "nested_state.so", "-ldl"], check=True)
    program = folder / "cloud-hypervisor"
    program.write_text(f'#!/bin/sh\nLD_PRELOAD="{folder}/nested_state.so" exec "{binary}" "$@"\n')
    program.chmod(0o700)
    return str(program)


def main(suite, build, *options):
    settings = []
    binary = find_binary()
    print(subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0], f"({binary})")
    stage = pathlib.Path(build, "stage").resolve()
    with tempfile.TemporaryDirectory(prefix="anyvisor-real-") as folder:
        programs = pathlib.Path(folder)
        program = wrapped(os.path.abspath(binary), programs)
        if program == os.path.abspath(binary):
            (programs / "cloud-hypervisor").symlink_to(program)
        else:
            # Such a KVM fails the probe, and runs the suite's tiny guests all the same. The command line has no such setting.
            settings = ["--settings", '{"accelerator": "kvm"}']
        # On PATH, for the steps that go through the command line.
        environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
        return subprocess.run([sys.executable, "-B", pathlib.Path(suite, "run"), "--plugin",
                               stage / "lib/anyvisor/plugins/anyvisor-cloud-hypervisor.so", "--cli", stage / "bin/anyvisor",
                               "--time-factor", os.environ.get("ANYVISOR_TEST_TIME_FACTOR", "2"), *settings, *options],
                              env=environment, check=False).returncode


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main(*sys.argv[1:]))
