# Shared by tools/setup, tools/test and tools/demo. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail

PGPARITY_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PG_BIN=/usr/lib/postgresql/15/bin

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 70; }

# Jobs for a build: one a core, fewer where memory is short (the largest files take about 1.2 GiB).
build_jobs() {
  local cores by_memory
  cores=$(nproc)
  by_memory=$(awk '/^MemAvailable:/ {print int($2 / 1258291)}' /proc/meminfo)
  if ((by_memory < 1)); then by_memory=1; fi
  if ((by_memory < cores)); then echo "$by_memory"; else echo "$cores"; fi
}

# build <directory> <targets, comma separated, or all> [cmake options...]
build() {
  local directory=$1 targets=$2
  shift 2
  local log
  log=$(mktemp)
  if ! cmake -S "$PGPARITY_ROOT" -B "$directory" -G Ninja "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  local list=()
  IFS=, read -r -a list <<<"$targets"
  # --quiet leaves compiler messages alone, and drops the progress lines.
  ninja -C "$directory" -j "$(build_jobs)" --quiet "${list[@]}"
}

# Runs a command as an unprivileged user when we are root: PostgreSQL's server refuses to run as root.
as_server_user() {
  if [[ $(id -u) -eq 0 ]]; then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    "$@"
  fi
}

# A TCP port of 127.0.0.1 that is free now. Below the kernel's range for outgoing connections, so that
# a client waiting for a server to come back cannot be given the server's own port.
free_port() {
  local port
  while :; do
    port=$((15000 + RANDOM % 16000))
    if [[ -z $(ss -Hltn "sport = :$port") ]]; then
      echo "$port"
      return
    fi
  done
}
