#!/bin/sh
# SPDX-License-Identifier: MIT
# The example of sdk/README.md compiles as the README says, and exports what it says: readme_example.sh SDK_FOLDER COMPILER
# Every schema is in its table, too.
set -eu
sdk=$1 compiler=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n '/^```cpp$/,/^```$/p' "$sdk/README.md" | sed '/^```/d' >"$work/hello.cpp"
[ -s "$work/hello.cpp" ] || { echo "no example found" >&2; exit 1; }
"$compiler" -std=c++20 -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wpedantic -Werror -I"$sdk/include" \
  -Wl,--version-script="$sdk/plugin.map" -Wl,-z,defs "$work/hello.cpp" -o "$work/anyvisor-hello.so"
[ "$(nm -D --defined-only "$work/anyvisor-hello.so" | awk '{print $3}')" = anyvisor_plugin_entry_v0 ]
for schema in "$sdk"/schemas/*.schema.json; do
  grep -q "(schemas/$(basename "$schema"))" "$sdk/README.md" || { echo "$schema is not in the README's table" >&2; exit 1; }
done
echo "the README's example is a plugin"
