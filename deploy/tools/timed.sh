#!/usr/bin/env bash
# Says what a long step does and how long it took; every 20 s also that it goes on.
# usage: timed.sh MESSAGE COMMAND [ARGUMENT...]
set -euo pipefail
message=$1
shift
echo "$message"
SECONDS=0 next=20
"$@" &
step=$!
trap 'kill "$step" 2>/dev/null || true' INT TERM
while kill -0 "$step" 2>/dev/null; do
	sleep 0.2
	if [ "$SECONDS" -ge "$next" ]; then
		echo "   … $SECONDS s"
		next=$((next + 20))
	fi
done
status=0
wait "$step" || status=$?
[ "$status" -ne 0 ] || echo "   done in $SECONDS s"
exit "$status"
