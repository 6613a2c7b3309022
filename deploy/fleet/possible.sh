#!/usr/bin/env bash
# Says why this machine cannot run the fleet, which makes hosts of network namespaces. It prints
# nothing on a machine that can.
set -euo pipefail

if [ "$(uname)" != Linux ]; then
  echo "it requires Linux"
elif [ "$(id -u)" != 0 ]; then
  echo "it makes network namespaces and users, which requires root"
elif [ ! -c /dev/net/tun ]; then
  echo "/dev/net/tun does not exist"
elif ! (: <>/dev/net/tun) 2>/dev/null; then
  echo "/dev/net/tun cannot be opened"
elif ! why=$(unshare --net --mount --uts true 2>&1); then
  echo "namespaces cannot be made: $why"
fi
