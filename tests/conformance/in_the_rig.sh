#!/bin/bash
# SPDX-License-Identifier: MIT
# What kvm_conformance.sh runs within the rig: the accelerator's choice, then the suite. Slow hardware: its times mean nothing.
set -euo pipefail
cli=$PWD/build/rig/stage/bin/anyvisor
# A guest in a guest in software emulation: spinning for an idle guest's next interrupt and two levels of small pages cost most.
echo 0 >/sys/module/kvm/parameters/halt_poll_ns
echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled
echo "$(grep -m 1 'model name' /proc/cpuinfo), $(nproc) CPUs, Linux $(uname -r)"

finding=$("$cli" --home /tmp/probe doctor --format json | python3 -c '
import json, sys
print(*[f["detail"] for f in json.load(sys.stdin)["findings"] if f["subject"] == "qemu accelerator"], sep="\n")')
echo "the probe: $finding"
case $finding in
  kvm:*) ;;
  *) echo "FAIL: KVM works here, and the probe has not chosen it" >&2; exit 1 ;;
esac
echo "vhost-net: not used, as the only network plugin here is user-mode; /dev/vhost-net $([ -c /dev/vhost-net ] && echo is there || echo is missing)"

debian=()
if [ -d /debian ]; then
  export ANYVISOR_DEBIAN_CACHE=/debian
  debian=(--debian)
fi
status=0
TMPDIR=/var/tmp sdk/conformance/run --backend qemu --cli "$cli" --time-factor 5 --report /results/report.json "${debian[@]}" || status=$?
python3 - <<'CHECK' || status=1
import json
accelerator = json.load(open("/results/report.json"))["report"]["accelerator"]["name"]
if accelerator != "kvm":
    raise SystemExit(f"FAIL: the suite ran on {accelerator}")
CHECK
exit $status
