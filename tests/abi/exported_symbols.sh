#!/bin/sh
# SPDX-License-Identifier: MIT
# Each plugin exports exactly one symbol, the entry, and still does after strip: exported_symbols.sh FILE...
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
check() { # FILE, HOW
  symbols=$(nm -D --defined-only "$1" | awk '{print $3}')
  if [ "$symbols" != anyvisor_plugin_entry_v0 ]; then
    echo "$1$2 exports, instead of anyvisor_plugin_entry_v0 alone:" >&2
    echo "$symbols" >&2
    exit 1
  fi
}
for file in "$@"; do
  check "$file" ""
  strip -s -o "$work/stripped.so" "$file"
  check "$work/stripped.so" " ($file, stripped)"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "no plugin to check" >&2; exit 1; }
# The check itself: a library with a second symbol has to be found.
printf 'int anyvisor_plugin_entry_v0(void) { return 0; }\nint another(void) { return 1; }\n' >"$work/two.c"
"${CC:-cc}" -shared -fPIC -o "$work/two.so" "$work/two.c"
if (check "$work/two.so" "") 2>/dev/null; then
  echo "a second exported symbol was not found" >&2
  exit 1
fi
echo "$count plugins export one symbol each, stripped too"
