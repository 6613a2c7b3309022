#!/usr/bin/env bash
# Prints the message of a long step, the elapsed time every 20 s, and the total time.
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
