#!/bin/sh
# Pins the images of docker-compose.yml by digest: gets each digest from the registry and
# writes NAME_IMAGE=repository:tag@sha256:… into .env. With --check it makes no request, and
# fails while an image has no digest: run it before a production start.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
env_file=${COGFLOW_ENV_FILE:-$here/.env}
images=$(sed -n 's/.*image: \${\([A-Z0-9_]*_IMAGE\):-\([^}]*\)}.*/\1=\2/p' "$here/docker-compose.yml" | sort -u)
missing=0
for line in $images; do
	name=${line%%=*} image=${line#*=}
	set_to=$(sed -n "s/^$name=//p" "$env_file" 2>/dev/null | tail -1)
	case $set_to in *@sha256:*) continue ;; esac
	if [ "${1:-}" = --check ]; then
		echo "$name: ${set_to:-$image} has no digest; run deploy/compose/pin.sh" >&2
		missing=1
		continue
	fi
	digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
	case $digest in sha256:*) ;; *) echo "$image: the registry returned no digest" >&2; exit 1 ;; esac
	echo "$name=$image@$digest" >>"$env_file"
done
exit $missing
