#!/bin/bash
# SPDX-License-Identifier: MIT
# The conformance suite on QEMU under a KVM that works: in the rig, with tiny guests. With ANYVISOR_TEST_RIG_DEBIAN=1 a Debian guest
# too, when its image is there: emulated twice over, it takes four minutes and more to its ssh server.
#   kvm_conformance.sh BUILD_FOLDER
# $ANYVISOR_DEBIAN_CACHE: where the Debian image was built. The report comes to BUILD_FOLDER/conformance-kvm.
set -euo pipefail
build=$1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export ANYVISOR_RIG_CACHE=${ANYVISOR_RIG_CACHE:-$build/rig}
results=$build/conformance-kvm
rm -rf "$results"
cache=${ANYVISOR_DEBIAN_CACHE:-} mount=()
if [ "${ANYVISOR_TEST_RIG_DEBIAN:-}" != 1 ]; then
  echo "no Debian guest in the rig: not asked for by ANYVISOR_TEST_RIG_DEBIAN=1"
elif [ -n "$cache" ] && compgen -G "$cache/*/manifest.json" >/dev/null; then mount=(--mount "$cache=/debian"); fi
"$source/tests/guests/rig" --build "$build" --seconds 1140 --results "$results" "${mount[@]}" -- tests/conformance/in_the_rig.sh
