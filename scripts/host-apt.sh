# SPDX-License-Identifier: MIT
# Sourced. How this machine reaches Debian's archive, for a new root that mmdebstrap makes: mmdebstrap itself reads
# nothing of /etc/apt.

# Prints the paths of this machine's source files for suite $1 that need no key but Debian's own. None: mmdebstrap's
# own default serves.
host_apt_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -s "$file" ] || continue
    grep -vE '^[[:space:]]*#' "$file" | grep -qwE "$1|$1-(updates|security)" || continue
    grep -vE '^[[:space:]]*#' "$file" | grep -iE 'signed-by' | grep -qv '/debian-archive-' && continue
    printf '%s\n' "$file"
  done
}

# Prints this machine's apt settings for transport and dates (proxies, certificates, retries), as lines of an apt.conf.
host_apt_options() {
  command -v apt-config >/dev/null || return 0
  apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|Check-Date|Retries|ForceIPv[46])(::[^ ]*)? "[^"]' || true
}
