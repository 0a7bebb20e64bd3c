#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares the ABI as it is with the one that was kept: abi_diff.sh KEPT.abi BUILT.so HEADER_FOLDER SOURCE.c CC
# A change that breaks built plugins fails. Then a field is swapped in a copy of the header: that has to be found.
# After an intended addition, keep the new one: abi_diff.sh --keep KEPT.abi BUILT.so
set -eu
for tool in abidw abidiff; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is not installed (package abigail-tools)"; exit 77; }
done
if [ "$1" = --keep ]; then
  abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$2" "$3"
  exit
fi
kept=$1 built=$2 headers=$3 source=$4 cc=$5
# abidiff's exit status is a set of bits: 1 and 2 are failures of the tool, 4 any change, 8 an incompatible one.
abidiff --no-show-locs "$kept" "$built" || { echo "the plugin ABI differs from $kept (abidiff: $?)" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/anyvisor"
sed -e 's/const char\* field; .*/const char* swapped;/' -e 's/const char\* message; .*/const char* field;/' \
  -e 's/const char\* swapped;/const char* message;/' "$headers/anyvisor/plugin.h" >"$work/anyvisor/plugin.h"
cmp -s "$headers/anyvisor/plugin.h" "$work/anyvisor/plugin.h" && { echo "nothing was swapped" >&2; exit 1; }
"$cc" -std=c11 -g -shared -fPIC -I"$work" "$source" -o "$work/changed.so"
if abidiff --no-show-locs "$kept" "$work/changed.so" >"$work/report"; then
  echo "two swapped fields were not found" >&2
  exit 1
fi
grep -q anyvisor_error "$work/report" || { cat "$work/report" >&2; exit 1; }
echo "the plugin ABI is as kept; a swapped field is found"
