#!/bin/bash
# SPDX-License-Identifier: MIT
# What kvm_cloud_hypervisor.sh runs within the rig. Slow hardware: its times mean nothing.
set -uo pipefail
export ANYVISOR_TEST_CLOUD_HYPERVISOR=/vmm/cloud-hypervisor ANYVISOR_TEST_STOCK_KVM=1 ANYVISOR_TEST_TIME_FACTOR=${FACTOR:-5} TMPDIR=/var/tmp
# A guest in a guest in software emulation: spinning for an idle guest's next interrupt costs most.
echo 0 >/sys/module/kvm/parameters/halt_poll_ns
echo "$(grep -m 1 'model name' /proc/cpuinfo), $(nproc) CPUs, Linux $(uname -r)"
status=0
if [ "${1:-}" = debian ]; then
  export ANYVISOR_DEBIAN_CACHE=/debian
  echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled # two levels of small pages cost much
  exec python3 -B tests/cloud-hypervisor/real_vmm_test.py sdk/conformance build/rig --debian --debian-life --only "debian guest" --report /results/report.json
fi
python3 -B tests/cloud-hypervisor/linux_guest_test.py sdk/conformance build/rig "$@" || status=1
[ $# != 0 ] || python3 -B tests/cloud-hypervisor/real_vmm_test.py sdk/conformance build/rig --report /results/report.json || status=1
exit $status
