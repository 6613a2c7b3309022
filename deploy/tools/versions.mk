# Versions of the tools that `make` installs; they were tested together. Unless stated
# otherwise, they are Go modules, verified against the Go checksum database.

# The Temporal CLI contains the dev server and its Web UI. v1.5.1 is the last
# release that `go install` can build; it is server 1.29.1. A `temporal` on the
# PATH with that server or a newer one is used instead.
TEMPORAL_VERSION      := v1.5.1
TEMPORAL_SERVER       := 1.29.1

GOLANGCI_LINT_VERSION := v2.15.0
WORKFLOWCHECK_VERSION := v0.6.0
GOVULNCHECK_VERSION   := v1.9.0
DEADCODE_VERSION      := v0.52.0

# The S3 server of the tests (posix backend). It keeps If-Match and
# If-None-Match on PUT atomic.
VERSITYGW_VERSION     := v1.8.0

# For Python. uv is a wheel from PyPI; it installs the packages of embedder/requirements-dev.txt, with
# hashes.
UV_VERSION            := 0.13.9
RUFF_VERSION          := 0.14.5
