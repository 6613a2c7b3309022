# What `make` installs, in versions that were tried together. Unless said otherwise
# it is Go source from the module proxy, checked against the Go checksum database.

# The Temporal CLI carries the dev server and its Web UI. v1.5.1 is the last
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

# For Python. uv is a wheel from PyPI; it brings what embedder/requirements-dev.txt pins, hashes
# included.
UV_VERSION            := 0.13.9
RUFF_VERSION          := 0.14.5
