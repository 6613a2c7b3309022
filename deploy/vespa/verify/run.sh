#!/usr/bin/env bash
# Checks the application packages, requests and scores of internal/vespa with
# Vespa's own code, without a container. Artifacts come from Maven Central; the
# first run downloads about 125 MB.
set -euo pipefail
cd "$(dirname "$0")"

for program in java mvn; do
	if ! command -v "$program" >/dev/null; then
		echo "verify-vespa needs $program; on Debian: apt-get install openjdk-17-jdk-headless maven" >&2
		exit 1
	fi
done

target=$PWD/target
rm -rf "$target/export"
mkdir -p "$target/export"
(cd ../../.. && "${GO:-go}" build -o "$target/export-program" ./deploy/vespa/verify/export)
"$target/export-program" "$target/export"
# Vespa's test driver warns about the previous one; no other line is removed.
MAVEN_OPTS=${MAVEN_OPTS:--Xmx1g} mvn -q -B -Dstyle.color=never test "$@" 2>&1 |
	grep --line-buffered -v '^WARNING: initVespaLogging called twice'
