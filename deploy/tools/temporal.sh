#!/usr/bin/env bash
# Provides the Temporal CLI in BIN: a link to the one on the PATH if its dev server is
# new enough, otherwise a build of the pinned version.
# usage: temporal.sh VERSION SERVER_VERSION BIN
set -euo pipefail
version=$1 server=$2 bin=$3
mkdir -p "$bin"
rm -f "$bin"/.temporal-*

# server_of FILE prints the version of the server inside a CLI, e.g. 1.29.1.
server_of() {
	"$1" --version 2>/dev/null | sed -n 's/.*[Ss]erver \([0-9][0-9.]*\).*/\1/p'
}

new_enough() {
	[ -n "$1" ] && [ "$(printf '%s\n%s\n' "$server" "$1" | sort -V | head -n 1)" = "$server" ]
}

if [ -x "$bin/temporal" ] && new_enough "$(server_of "$bin/temporal")"; then
	exit 0
fi
found=$(command -v temporal || true)
if [ -n "$found" ] && new_enough "$(server_of "$found")"; then
	echo "using $found (Temporal server $(server_of "$found"))"
	ln -sf "$found" "$bin/temporal"
	exit 0
fi
echo "building the Temporal CLI $version into bin/ (3 to 5 minutes, once)"
rm -f "$bin/temporal" # go install would write through a link into a file of the system
module=github.com/temporalio/cli
GOBIN=$bin "${GO:-go}" install \
	-ldflags "-s -w -X $module/temporalcli.Version=${version#v}" "$module/cmd/temporal@$version"
