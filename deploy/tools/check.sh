#!/usr/bin/env bash
# `make check`: everything that a machine can say about the code without running
# it. All steps run; the script fails if one of them did.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
failed=()

step() {
	local name=$1
	shift
	printf '== %s\n' "$name"
	"$@" || failed+=("$name")
}

skip() { printf '== %s\n   skipped: %s\n' "$1" "$2"; }

# govulncheck needs its database; an unreachable one is no finding, a slow one
# must not hold up the check.
vulnerabilities() {
	local url=${GOVULNDB:-https://vuln.go.dev}
	if [[ $url == http* ]] && ! curl -fsS --max-time 20 -o /dev/null "$url/index/db.json"; then
		skip "govulncheck" "its database cannot be reached (see the line above)"
		return
	fi
	step "govulncheck" bin/govulncheck ./...
}

install_ruff() {
	python3 -m venv "$1" && "$1/bin/pip" install -q "ruff==$RUFF_VERSION"
}

python_lint() {
	local files
	files=$(git ls-files --cached --others --exclude-standard '*.py')
	if [ -z "$files" ]; then
		skip "ruff" "no Python in the tree"
		return
	fi
	local venv=.tools/ruff-$RUFF_VERSION
	if [ ! -x "$venv/bin/ruff" ]; then
		step "ruff install" install_ruff "$venv"
	fi
	step "ruff check" "$venv/bin/ruff" check .
	step "ruff format" "$venv/bin/ruff" format --check .
}

shell_files() {
	git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 shellcheck
}

scripts() {
	if ! command -v shellcheck >/dev/null 2>&1; then
		skip "shellcheck" "not installed"
		return
	fi
	step "shellcheck" shell_files
}

format() {
	local diff
	diff=$(bin/golangci-lint fmt --diff 2>&1) && [ -z "$diff" ] && return 0
	printf '%s\n' "$diff"
	return 1
}

step "format" format
step "go vet" go vet ./...
step "golangci-lint" bin/golangci-lint run --allow-parallel-runners ./...
step "workflowcheck" bin/workflowcheck -config workflowcheck.yaml ./workflows/...
step "go mod tidy" go mod tidy -diff
step "go mod verify" go mod verify
vulnerabilities
scripts
python_lint

if [ "${#failed[@]}" -gt 0 ]; then
	printf 'check FAILED:'
	printf ' [%s]' "${failed[@]}"
	printf '\n'
	exit 1
fi
echo "check ok"
