#!/bin/sh
# SPDX-License-Identifier: MIT
# The dependency rule: cli -> core -> sdk <- plugins, and core and cli name no hypervisor.
#   dependency_rule_test.sh [ROOT]       checks the tree at ROOT (default: this one)
#   dependency_rule_test.sh --self-test  plants each kind of violation in a copy and fails unless each is found
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
found=0

report() { # RULE, then lines on standard input
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    echo "dependency rule: $1: $line" >&2
    found=1
  done
}

# Every #include of a folder's C and C++ files: FILE:LINE:<name> or FILE:LINE:"name".
includes() {
  [ -d "$1" ] || return 0
  find "$1" \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cpp' \) -type f -exec \
    grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' {} + |
    sed -E 's/^([^:]*:[0-9]+:)[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]*[>"]).*/\1\2/'
}

# Headers of core, public and internal, as they may be written after #include.
headers_under() { (cd "$1" 2>/dev/null && find . -name '*.hpp' -o -name '*.h') | sed 's|^\./||'; }

# Lines of standard input whose included name is one of the names in file $1, and not that of a file beside the including one.
including_one_of() {
  awk -v list="$1" '
    function is_there(path,   line, result) { result = (getline line < path) >= 0; close(path); return result }
    BEGIN { while ((getline name < list) > 0) known[name] = 1 }
    {
      file = name = $0
      sub(/:.*/, "", file); sub(/[^\/]*$/, "", file)
      sub(/^[^:]*:[0-9]+:/, "", name); quoted = name ~ /^"/; name = substr(name, 2, length(name) - 2)
      if (name in known && !(quoted && is_there(file name))) print
    }'
}

check() {
  root=$1
  work=$(mktemp -d)
  headers_under "$root/core/include" >"$work/core-public"
  headers_under "$root/core/src" >"$work/core-internal"
  headers_under "$root/core/plugin-host" >"$work/plugin-host"
  cat "$work/core-public" "$work/core-internal" "$work/plugin-host" >"$work/core"

  for folder in sdk plugins tests/plugins; do
    includes "$root/$folder" >"$work/includes"
    including_one_of "$work/core" <"$work/includes" >"$work/bad"
    grep -E '[<"]([^>"]*/)?(core|cli)/' "$work/includes" >>"$work/bad" || :
    # Of <anyvisor/...>, only what the SDK has.
    grep -E '[<"]anyvisor/' "$work/includes" |
      grep -vE '[<"]anyvisor/(plugin\.h|plugin\.hpp|plugin_tables\.hpp|json\.hpp)[>"]' >>"$work/bad" || :
    sort -u "$work/bad" >"$work/report"
    report "$folder must not include core/" <"$work/report"
  done

  includes "$root/sdk" | grep -E '[<"]([^>"]*/)?plugins/' >"$work/report" || :
  report "sdk must not include plugins/" <"$work/report"

  includes "$root/cli" >"$work/includes"
  { including_one_of "$work/core-internal" <"$work/includes"
    including_one_of "$work/plugin-host" <"$work/includes"
    grep -E '[<"]([^>"]*/)?(core|plugins|plugin-host)/' "$work/includes" || :; } | sort -u >"$work/report"
  report "cli must include only public headers of core" <"$work/report"

  includes "$root/core" >"$work/includes"
  grep -E '[<"]([^>"]*/)?(plugins|cli)/' "$work/includes" >"$work/report" || :
  report "core must not include plugins/ or cli/" <"$work/report"
  { includes "$root/core/src"; includes "$root/core/include"; } >"$work/includes"
  { including_one_of "$work/plugin-host" <"$work/includes"; grep -E 'plugin-host/' "$work/includes" || :; } |
    sort -u >"$work/report"
  report "core/src must not include plugin-host/" <"$work/report"
  includes "$root/core/include" >"$work/includes"
  including_one_of "$work/core-internal" <"$work/includes" >"$work/report"
  report "public headers of core must not include internal ones" <"$work/report"

  # Names of hypervisors. core/src/storage and core/src/identity work with disk images and may name their tools; doctor.cpp tells
  # whether the tool that makes disks is there, and the package that it comes in.
  for folder in core/src core/include core/plugin-host cli; do
    [ -d "$root/$folder" ] || continue
    find "$root/$folder" -type f \( -name '*.hpp' -o -name '*.h' -o -name '*.cpp' -o -name '*.c' \) \
      ! -path "$root/core/src/storage/*" ! -path "$root/core/src/identity/*" -exec \
      grep -niHE 'qemu|cloud.?hypervisor|hyper-?v' {} + >"$work/report" || :
    # "hypervisor" itself is a word, not a name.
    sed -E -e 's/hypervisors?//Ig' -e '/instance\/doctor\.cpp:/s/qemu-(img|utils)//g' "$work/report" | grep -iE ':.*(qemu|hyper-?v)|cloud.?hyper' >"$work/names" || :
    grep -iE 'cloud.?hypervisor' "$work/report" >>"$work/names" || :
    sort -u "$work/names" >"$work/report"
    report "$folder must name no hypervisor" <"$work/report"
  done
  rm -rf "$work"
}

self_test() {
  copy=$(mktemp -d)
  trap 'rm -rf "$copy"' EXIT
  for folder in sdk core cli plugins tests/plugins; do
    mkdir -p "$copy/$folder"
    cp -R "$here/$folder/." "$copy/$folder/"
  done
  "$0" "$copy" || { echo "the copy itself must be clean" >&2; exit 1; }
  planted=0
  plant() { # FILE, TEXT: must be found
    mkdir -p "$(dirname "$copy/$1")"
    printf '%s\n' "$2" >"$copy/$1"
    if "$0" "$copy" 2>"$copy/output"; then
      echo "not found: '$2' in $1" >&2
      exit 1
    fi
    grep -q "$1" "$copy/output" || { echo "found, but the file $1 is not named:" >&2; cat "$copy/output" >&2; exit 1; }
    rm "$copy/$1"
    planted=$((planted + 1))
  }
  plant plugins/qemu/planted.cpp '#include "storage/fd.hpp"'
  plant plugins/qemu/planted.cpp '  #  include  <anyvisor/result.hpp>'
  plant plugins/local-images/planted.hpp '#include "../../core/src/storage/fd.hpp"'
  plant tests/plugins/planted.cpp '#include "anyvisor/manager.hpp"'
  plant sdk/include/anyvisor/planted.hpp '#include <anyvisor/manager.hpp>'
  plant sdk/include/anyvisor/planted.h '#include "document/json.hpp"'
  plant cli/planted.cpp '#include "document/json.hpp"'
  plant cli/planted.cpp '#include "../core/src/wire/line_channel.hpp"'
  plant core/src/instance/planted.cpp '#include "../../plugin-host/loader.hpp"'
  plant core/src/instance/planted.cpp '#include "plugins/qemu/qmp.hpp"'
  plant core/include/anyvisor/planted.hpp '#include "storage/fd.hpp"'
  plant core/src/instance/planted.cpp '// starts QEMU'
  plant core/plugin-host/planted.cpp 'const char* name = "cloud-hypervisor";'
  plant core/include/anyvisor/planted.hpp '// as Hyper-V does it'
  plant cli/planted.cpp 'return backend == "qemu";'
  plant core/src/instance/planted.cpp '// qemu-img info'
  plant core/src/process/planted.cpp 'bool is_cloud_hypervisor;'
  printf 'find("qemu-img"); // of QEMU\n' >"$copy/core/src/instance/doctor.cpp"
  if "$0" "$copy" 2>"$copy/output"; then echo "more than a tool's name was let through" >&2; exit 1; fi
  printf '#pragma once\n' >"$copy/plugins/qemu/machine.hpp"
  printf '#pragma once\n' >"$copy/core/plugin-host/machine.hpp"
  printf '#include "machine.hpp"\n' >"$copy/plugins/qemu/own.cpp"
  plant plugins/local-images/planted.cpp '#include "machine.hpp"'
  printf '// one of many hypervisors\n' >"$copy/core/src/instance/word.cpp"
  printf '// qemu-img info\n' >"$copy/core/src/storage/tool.cpp"
  printf 'find("qemu-img", "qemu-utils");\n' >"$copy/core/src/instance/doctor.cpp"
  "$0" "$copy" || { echo "a plain word or a header of its own was taken for a violation" >&2; exit 1; }
  echo "$planted planted violations, all found"
}

case ${1:-} in
--self-test) self_test ;;
*)
  check "${1:-$here}"
  [ "$found" = 0 ] || exit 1
  echo "the dependency rule holds"
  ;;
esac
