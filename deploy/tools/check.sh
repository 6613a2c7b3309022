#!/usr/bin/env bash
# `make check`: all static checks. All steps run; the script fails if one of them
# failed.
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

# govulncheck requires its database. An unreachable database is not a finding, and a
# slow one must not delay the check.
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

# Functions that no program reaches. Packages for tests and benchmarks are reached
# from tests; deadcode.txt lists the other exceptions with their reasons.
dead_code() {
	local found
	found=$(bin/deadcode -f '{{range .Funcs}}{{println .Position.File .Name}}{{end}}' ./... |
		grep -vE '^$|test/[^/]*\.go |^docs/benchmarks/' | sort)
	diff <(grep -v '^#' deploy/tools/deadcode.txt | cut -d'#' -f1 | sed 's/ *$//' | sort) <(printf '%s\n' "$found") | grep '^[<>]' |
		sed -e 's/^>/   no program reaches it: delete it, or list it with a reason:/' -e 's/^</   listed, but reached or deleted:/'
	[ "${PIPESTATUS[1]}" -ne 0 ]
}

# Packages of more than 2,500 lines without tests; sizes.txt lists the exceptions with
# their limits and reasons.
package_sizes() {
	local ok=0 size dir limit
	while read -r size dir; do
		limit=$(awk -v d="$dir" '$1 == d {print $2}' deploy/tools/sizes.txt)
		if [ "$size" -gt "${limit:-2500}" ]; then
			printf '   %s has %s lines, at most %s: split it\n' "$dir" "$size" "${limit:-2500}"
			ok=1
		fi
	done < <(git ls-files --cached --others --exclude-standard '*.go' | grep -vE '_test\.go$|testdata/' | xargs wc -l |
		awk '$2 != "total" {d = $2; sub(/\/[^\/]*$/, "", d); lines[d] += $1} END {for (d in lines) print lines[d], d}')
	return "$ok"
}

step "format" format
step "go vet" go vet ./...
step "golangci-lint" bin/golangci-lint run --allow-parallel-runners ./...
step "workflowcheck" bin/workflowcheck -config workflowcheck.yaml ./workflows/...
step "dead code" dead_code
step "package sizes" package_sizes
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
