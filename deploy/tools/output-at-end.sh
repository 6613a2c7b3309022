#!/usr/bin/env bash
# Runs a command and prints its output when it has ended, so that it does not mix with that
# of a command beside it.
# usage: output-at-end.sh COMMAND [ARGUMENT...]
set -euo pipefail
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
"$@" >"$output" 2>&1 || status=$?
cat "$output"
exit "$status"
