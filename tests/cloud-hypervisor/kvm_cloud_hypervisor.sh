#!/bin/bash
# SPDX-License-Identifier: MIT
# A real Cloud Hypervisor under a KVM that works, in the rig: the conformance suite, and a stock Linux kernel.
#   kvm_cloud_hypervisor.sh BUILD_FOLDER [TEST of linux_guest_test.py... | debian]
# debian: the suite's step with a Debian guest alone, from the image in $ANYVISOR_DEBIAN_CACHE.
# The program: $ANYVISOR_TEST_CLOUD_HYPERVISOR, else cloud-hypervisor on PATH. The report comes to BUILD_FOLDER/conformance-cloud-hypervisor.
set -euo pipefail
build=$1
shift
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${ANYVISOR_TEST_CLOUD_HYPERVISOR:-$(command -v cloud-hypervisor || true)}
if [ -z "$program" ]; then
  echo "SKIPPED: no Cloud Hypervisor: name one by ANYVISOR_TEST_CLOUD_HYPERVISOR, or put it on PATH. NOTHING of the real one was tested"
  exit 77
fi
export ANYVISOR_RIG_CACHE=${ANYVISOR_RIG_CACHE:-$build/rig}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
install -m 755 "$program" "$folder/cloud-hypervisor"
results=$build/conformance-cloud-hypervisor${1:+-$1} mount=()
if [ "${1:-}" = debian ]; then
  cache=${ANYVISOR_DEBIAN_CACHE:-}
  if [ -z "$cache" ] || ! compgen -G "$cache/*/manifest.json" >/dev/null; then
    echo "SKIPPED: no Debian image in ANYVISOR_DEBIAN_CACHE: NOTHING was tested with a Debian guest"
    exit 77
  fi
  mount=(--mount "$cache=/debian")
fi
rm -rf "$results"
"$source/tests/guests/rig" --build "$build" --seconds 840 --results "$results" --mount "$folder=/vmm" "${mount[@]}" -- \
  tests/cloud-hypervisor/in_the_rig.sh "$@"
