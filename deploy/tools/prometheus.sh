#!/usr/bin/env bash
# Links prometheus and promtool into bin for `make test-telemetry`. If they are not on the PATH, it
# unpacks the system's package without installing it, because the package starts a server.
set -euo pipefail
bin=${1:?usage: prometheus.sh BIN}

if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
	if ! command -v apt-get >/dev/null; then
		echo "prometheus and promtool are missing. Install Prometheus with your system's package manager." >&2
		exit 1
	fi
	echo "unpacking the package prometheus"
	dir=$bin/prometheus.deb
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$dir" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
	PATH=$dir/usr/bin:$PATH
fi
for program in prometheus promtool; do
	ln -sfn "$(command -v "$program")" "$bin/$program"
done
