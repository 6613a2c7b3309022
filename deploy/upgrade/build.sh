#!/usr/bin/env bash
# Builds the workers of `make upgrade-test`, each into its own directory: one for each commit
# in deploy/upgrade/builds (built once), one for the working tree, and one for the working
# tree with the next extractor and document schema.
#
#   build.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/../.."
to=$1
go=${GO:-go}

# build NAME SOURCE [FLAG…] builds the worker of a source tree and copies its trainer.
build() {
  local at=$to/$1 from=$2
  shift 2
  mkdir -p "$at"
  (cd "$from" && "$go" build -buildvcs=false "$@" -o "$at/cogflow-worker" ./workers)
  rm -rf "$at/trainer"
  mkdir "$at/trainer"
  cp -r "$from/trainer/src" "$at/trainer/src"
}

# former COMMIT builds a commit of this repository, unless it is built already.
former() {
  local commit=$1 source
  [[ $commit =~ ^[0-9a-f]{40}$ ]] || { echo "deploy/upgrade/builds: $commit must be a full commit hash" >&2; exit 1; }
  [ ! -e "$to/$commit/.built" ] || return 0
  git cat-file -e "$commit^{commit}" 2>/dev/null || {
    echo "commit $commit of deploy/upgrade/builds is not in this clone; a shallow clone lacks it: run \`git fetch --unshallow\`" >&2
    exit 1
  }
  echo "building the worker of $commit (once)"
  source=$(mktemp -d)
  git archive "$commit" | tar -x -C "$source"
  build "$commit" "$source"
  rm -rf "$source"
  touch "$to/$commit/.built"
}

mkdir -p "$to"
to=$(cd "$to" && pwd)
while read -r commit _; do
  case $commit in '' | '#'*) continue ;; esac
  former "$commit"
done <deploy/upgrade/builds

echo "building the worker of the working tree"
build this .

# The next build uses new versions of the extractor and the schema, and supports no others.
echo "building the worker of the working tree with the next extractor and document schema"
mkdir -p "$to/next"
sed -E 's/^(const (extractor|schema)Version = )"[^"]*"$/\1"next"/' video/pinned.go >"$to/next/pinned.go.txt"
[ "$(grep -c '"next"' "$to/next/pinned.go.txt")" = 2 ] || { echo "video/pinned.go does not name its versions as build.sh expects" >&2; exit 1; }
printf '{"Replace":{"%s":"%s"}}\n' "$PWD/video/pinned.go" "$to/next/pinned.go.txt" >"$to/next/overlay.json"
build next . -overlay "$to/next/overlay.json"
