# The targets of this repository. `make` alone prints the list.
include deploy/tools/versions.mk

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN     := $(CURDIR)/bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
GO      ?= go

# The binding of NVIDIA's library declares functions that the library has deprecated.
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations

# Two packages at a time, with four parallel tests each: tests wait for servers and ffmpeg
# processes, so two parallel tests would leave half of a small machine idle. `make check` runs vet.
TEST_FLAGS ?= $(RACE) -vet=off -p 2 -parallel 4 -timeout 60m

# The race detector for everything except the C code of SQLite, as in programs that link SQLite
# itself; its Go driver is included. See docs/decisions/040-what-the-race-detector-sees.md.
RACE := -race -gcflags=modernc.org/...=-d=checkptr=0 \
  $(foreach p,sqlite/lib libc/... memory,-gcflags=modernc.org/$p=-race=false)

# Packages of pure computation. Their tests run without the race detector, which sees nothing in
# code without goroutines and makes it eleven times slower; see the same decision.
PURE := ./prompt/conformance $(foreach p,search confirm gepa propose,./prompt/mipro/$p) ./prompt/image ./prompt/repair \
  ./prompt/yaml ./internal/gateway/archive ./internal/gateway/media ./internal/picture ./placement ./training ./training/dataset ./training/table/parquet ./video/subtitles

# The Python environments of the tests.
ENVIRONMENTS := $(foreach e,embedder embedder/small trainer prompt/conformance internal/ffmpeg/truth client,$e/.venv/.compiled)

# The folder with the videos of `make demo`; empty = it makes three clips.
VIDEOS ?=

# Remove the stamp of a program that no longer exists.
$(foreach t,temporal versitygw golangci-lint workflowcheck govulncheck deadcode uv,\
  $(shell test -x bin/$t || rm -f bin/.$t-*))

# $(call timed,MESSAGE) prints how long a step takes.
timed = deploy/tools/timed.sh $1

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: programs
programs: bin/.system bin/.temporal-$(TEMPORAL_VERSION)

.PHONY: tools
tools: programs bin/.versitygw-$(VERSITYGW_VERSION) ## Install missing programs: ffmpeg, tesseract, a font, the Temporal CLI, an S3 server and PostgreSQL for tests

.PHONY: build
build: programs ## Build bin/cogflow, bin/cogflow-worker and bin/cogflow-gateway
	@$(call timed,'building bin/cogflow') $(GO) build -ldflags '$(LDFLAGS)' -o bin/cogflow ./starter
	@$(call timed,'building bin/cogflow-worker') $(GO) build -ldflags '$(LDFLAGS)' -o bin/cogflow-worker ./workers
	@$(call timed,'building bin/cogflow-gateway') $(GO) build -ldflags '$(LDFLAGS)' -o bin/cogflow-gateway ./gateway

.PHONY: trainer
trainer: trainer/.venv/.compiled ## Install the trainer and its Python packages into trainer/.venv (2.5 GB of torch, once)

.PHONY: small
small: embedder/small/.venv/.compiled ## Install small models of speech and meaning, which need no GPU, for the profile local_small (300 MB, once)

.PHONY: demo
demo: build ## Ingest three clips (or VIDEOS=DIR), search them, print the report
	@$(GO) build -o bin/cogflow-demo ./deploy/demo
	@VIDEOS='$(VIDEOS)' bin/cogflow-demo

.PHONY: up
up: build ## Start Temporal, its Web UI, the gateway and one worker (it can train after `make trainer`); Ctrl-C drains and stops all
	@exec bin/cogflow-worker --dev

# Go's tests wait for servers and processes a third of their time, so other tests run beside them,
# one after the other. CI adds some of its own.
BESIDE ?= test-python

.PHONY: test
test: tools $(ENVIRONMENTS) ## Run all tests, the Go tests with the race detector
	@$(MAKE) -j 2 test-go test-beside

# The longest packages first, so that none of them runs alone at the end.
.PHONY: test-go
test-go: tools $(ENVIRONMENTS)
	$(GO) test $(filter-out $(RACE),$(TEST_FLAGS)) $(PURE)
	$(GO) test $(TEST_FLAGS) ./workers ./workflows $$($(GO) list ./... | grep -vxF $(PURE:./%=-e github.com/cogniverse/cogflow/%))

.PHONY: print-pure
print-pure:
	@echo $(PURE)

.PHONY: test-beside
test-beside: $(ENVIRONMENTS)
	@for target in $(BESIDE); do deploy/tools/output-at-end.sh $(MAKE) $$target || exit; done

.PHONY: upgrade-test
upgrade-test: tools trainer ## Start runs on workers of earlier commits, continue on this commit's worker, and roll back
	@GO='$(GO)' deploy/upgrade/build.sh $(BIN)/upgrade
	COGFLOW_UPGRADE_BUILDS=$(BIN)/upgrade $(GO) test -run TestUpgrade -count=1 -timeout 15m ./workers

.PHONY: test-python
test-python: $(ENVIRONMENTS) ## Run the tests of the embedder, the trainer and the client, and install DSPy (the first time also torch)
	cd embedder && .venv/bin/python -m pytest -q
	cd trainer && .venv/bin/python -m pytest -q
	cd client && .venv/bin/python -m mypy && .venv/bin/python -m pytest -q

.PHONY: test-client
test-client: build tools $(ENVIRONMENTS) ## Train a model, ask models and optimize prompts through a real gateway, with Python clients (4 minutes)
	cd client && .venv/bin/python -m pytest -q gateway_tests

.PHONY: test-openapi
test-openapi: build tools trainer client/gateway_tests/openapi/.venv/.compiled ## Test all that /openapi.json of a gateway with real data says, with schemathesis (1 minute)
	client/gateway_tests/openapi/.venv/bin/python client/gateway_tests/openapi/run.py

client/gateway_tests/openapi/.venv/.compiled: client/gateway_tests/openapi/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing schemathesis"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --require-hashes -p $(@D) $<
	@touch $@

# uv finds interpreters on the PATH and those of pyenv, and downloads others.
CLIENT_PYTHONS ?= 3.10 3.11 3.12 3.13

.PHONY: test-client-versions
test-client-versions: bin/.uv-$(UV_VERSION) ## Run the tests of the Python client on all supported versions of Python
	export PATH="$$(printf '%s:' "$$HOME"/.pyenv/versions/*/bin)$$PATH"; for v in $(CLIENT_PYTHONS); do \
	  $(BIN)/uv venv -q --clear -p $$v .tools/client-$$v; \
	  $(BIN)/uv pip sync -q --require-hashes -p .tools/client-$$v client/requirements-dev.txt; \
	  (cd client && ../.tools/client-$$v/bin/python -V && ../.tools/client-$$v/bin/python -m pytest -q); \
	done

.PHONY: test-conformance
test-conformance: prompt/conformance/.venv/.compiled ## Compare prompts, files and searches with DSPy and Optuna
	$(GO) test -count=1 ./prompt/conformance

.PHONY: check
check: lint-tools ## Check format, lint, determinism, modules and known vulnerabilities
	@RUFF_VERSION=$(RUFF_VERSION) deploy/tools/check.sh

.PHONY: docs
docs: bin/.uv-$(UV_VERSION) ## Write docs/reference from the code, and the types of the Python client from it; tests fail when they are out of date
	$(GO) run ./deploy/docs
	python3 client/generate.py
	@$(BIN)/uv tool run -q ruff@$(RUFF_VERSION) check -q --fix --select I client && $(BIN)/uv tool run -q ruff@$(RUFF_VERSION) format -q client

.PHONY: bench
bench: build tools ## Run the benchmarks and print the results relative to their targets
	$(GO) test -run '^$$' -bench . -benchtime 3x -p 1 -timeout 60m ./...

.PHONY: bench-peers
bench-peers: build tools .tools/peers/.compiled ## Compare an ingest that is killed with a loop, asyncio, Ray Data and Prefect (6 minutes)
	$(GO) build -o bin/simulated-endpoint ./docs/benchmarks/ingest
	.tools/peers/bin/python docs/benchmarks/ingest/run.py bin/simulated-endpoint bin
	.tools/peers/bin/python docs/benchmarks/ingest/plot.py

.PHONY: bench-ingest
bench-ingest: build tools ## Compare ingest and search with what the machine and the model server can do (6 minutes)
	$(GO) test -run '^$$' -bench '^Benchmark(HTTP|Pipeline|HybridSearch|FPS|Keyframes)$$' -p 1 ./workers ./internal/sqlite ./internal/ffmpeg | tee bin/bench-ingest.txt
	python3 docs/benchmarks/ingest/goals.py bin/bench-ingest.txt

.PHONY: bench-gateway
bench-gateway: internal/answer/zootest/litellm/.venv/.compiled ## Compare the gateway with the bare model server, Go's reverse proxy and LiteLLM's proxy (4 minutes)
	COGFLOW_LITELLM=1 $(GO) test -run '^$$' -bench . -benchtime 3x -timeout 20m ./gateway

# An environment with a CUDA torch and the packages of trainer/requirements.txt.
PYTHON ?= $(CURDIR)/trainer/.venv/bin/python

# That of training and embedding; leases take less than a minute, and model servers about three.
GPU_CHECK_SECONDS ?= 240

# An environment with a CUDA torch and the packages of embedder/requirements.txt.
EMBEDDER_PYTHON ?= $(CURDIR)/embedder/.venv/bin/python

.PHONY: gpu-check
gpu-check: ## Check leases and model servers, and measure training and embedding, on this machine's GPU, without network (8 minutes; PYTHON=… and EMBEDDER_PYTHON=… select the environments)
	@if command -v $(GO) >/dev/null; then $(GO) run ./deploy/gpucheck/leases --python $(PYTHON) && $(GO) run ./deploy/gpucheck/servers --python $(EMBEDDER_PYTHON); \
	else echo "for the checks of leases and model servers, run with Go: go run ./deploy/gpucheck/leases and ./deploy/gpucheck/servers"; fi
	cd trainer && $(PYTHON) gpu_check.py --seconds $(GPU_CHECK_SECONDS) --out $(CURDIR)/gpu-check.json
	@if command -v $(GO) >/dev/null; then $(GO) run ./deploy/gpucheck gpu-check.json | tee gpu-check.md; \
	else echo "for the table with estimates, run with Go: go run ./deploy/gpucheck gpu-check.json"; fi

.PHONY: test-litellm
test-litellm: internal/answer/zootest/litellm/.venv/.compiled ## Meet the behaviours of real servers behind LiteLLM's proxy
	COGFLOW_LITELLM=1 $(GO) test -count=1 ./internal/answer/zootest/litellm

.PHONY: test-page
test-page: build internal/gateway/page/e2e/node_modules/.installed ## Use the page in Chromium (CHROMIUM=… selects it), on a real server and worker, and check it with axe-core
	cd internal/gateway/page/e2e && BIN=$(BIN) node --test --test-concurrency 1 --test-timeout 600000 *.test.mjs

internal/gateway/page/e2e/node_modules/.installed: internal/gateway/page/e2e/package-lock.json
	cd internal/gateway/page/e2e && npm ci --no-audit --no-fund --ignore-scripts
	touch $@

.PHONY: test-telemetry
test-telemetry: tools trainer internal/traces/phoenixtest/.venv/.compiled bin/.prometheus ## Send traces to a real Phoenix, and let a real Prometheus scrape a worker
	COGFLOW_TELEMETRY_SERVERS=1 $(GO) test -count=1 -timeout 30m -v -run 'TestPhoenix|TestPrometheus' ./workers

.PHONY: test-servers
test-servers: internal/answer/zootest/servers/.venv/.compiled ## Ask real model servers: vLLM, transformers and llama.cpp, on the CPU
	COGFLOW_SERVERS=1 $(GO) test -count=1 ./internal/answer/zootest/servers

.PHONY: verify-vespa
verify-vespa: ## Check Vespa packages, requests and scores with Vespa's own code (JDK 17, Maven)
	@GO='$(GO)' deploy/vespa/verify/run.sh

.PHONY: soak
soak: build tools bin/temporal-postgres ## Run the tests at full size: hundreds of kills, thousands of videos
	COGFLOW_SOAK=1 $(GO) test -run 'Soak|Kill|Scale|Machine' -count=1 -p 1 -timeout 120m -v ./...
	$(MAKE) fleet FLEET_MODE=faults FLEET_FAULTS=40

FLEET_MODE   ?= 1
FLEET_FAULTS ?= 8
FLEET_SEED   ?= 24

.PHONY: fleet
fleet: build tools trainer bin/temporal-postgres ## Run each pool on a host of its own, with only its keys and files, compare with one host, and break things (Linux, root)
	COGFLOW_FLEET=$(FLEET_MODE) COGFLOW_FLEET_FAULTS=$(FLEET_FAULTS) COGFLOW_FLEET_SEED=$(FLEET_SEED) \
	  $(GO) test -run TestFleet -count=1 -timeout 60m -v ./deploy/fleet

.PHONY: fleet-faults
fleet-faults: ## Run the faults of `make fleet` without the comparison (FLEET_FAULTS=8 FLEET_SEED=24)
	@$(MAKE) fleet FLEET_MODE=faults

# For machines of which some cannot make hosts.
.PHONY: fleet-if-possible
fleet-if-possible:
	@why="$$(deploy/fleet/possible.sh)"; if [ -z "$$why" ]; then $(MAKE) fleet; \
	else echo "NOT RUN: make fleet: this machine cannot make its hosts: $$why"; fi

# A module of its own, with the versions of the CLI's packages. Go knows what is up to date.
.PHONY: bin/temporal-postgres
bin/temporal-postgres:
	@$(call timed,'building the Temporal server for PostgreSQL') $(GO) build -C deploy/fleet/temporal -o $(BIN)/temporal-postgres .

.PHONY: fmt
fmt: lint-tools bin/.uv-$(UV_VERSION) ## Format the code
	$(BIN)/golangci-lint fmt
	$(BIN)/uv tool run ruff@$(RUFF_VERSION) format .

.PHONY: clean
clean: ## Remove built programs; keeps .cogflow with its data
	rm -rf bin

.PHONY: lint-tools
lint-tools: bin/.golangci-lint-$(GOLANGCI_LINT_VERSION) bin/.workflowcheck-$(WORKFLOWCHECK_VERSION) bin/.govulncheck-$(GOVULNCHECK_VERSION) bin/.deadcode-$(DEADCODE_VERSION)

bin/.system: deploy/tools/system.sh
	@deploy/tools/system.sh
	@mkdir -p bin && touch $@

bin/.temporal-$(TEMPORAL_VERSION): | deploy/tools/temporal.sh
	@GO='$(GO)' $(call timed,'looking for the Temporal CLI') deploy/tools/temporal.sh $(TEMPORAL_VERSION) $(TEMPORAL_SERVER) $(BIN)
	@touch $@

# $(call install,PROGRAM,PACKAGE@VERSION)
define install
	@rm -f bin/.$1-*
	@GOBIN='$(BIN)' $(call timed,"installing $1 $(lastword $(subst @, ,$2))") $(GO) install $2
	@touch $@
endef

# Any version scrapes the same text format.
bin/.prometheus: deploy/tools/prometheus.sh
	@deploy/tools/prometheus.sh $(BIN)
	@touch $@

bin/.golangci-lint-$(GOLANGCI_LINT_VERSION):
	$(call install,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION))

bin/.versitygw-$(VERSITYGW_VERSION):
	$(call install,versitygw,github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION))

bin/.workflowcheck-$(WORKFLOWCHECK_VERSION):
	$(call install,workflowcheck,go.temporal.io/sdk/contrib/tools/workflowcheck@$(WORKFLOWCHECK_VERSION))

bin/.govulncheck-$(GOVULNCHECK_VERSION):
	$(call install,govulncheck,golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION))

bin/.deadcode-$(DEADCODE_VERSION):
	$(call install,deadcode,golang.org/x/tools/cmd/deadcode@$(DEADCODE_VERSION))

bin/.uv-$(UV_VERSION):
	@echo "installing uv $(UV_VERSION)"
	@rm -rf bin/.uv-* bin/uv bin/uv-venv
	@python3 -m venv bin/uv-venv && bin/uv-venv/bin/pip install -q 'uv==$(UV_VERSION)'
	@ln -s uv-venv/bin/uv bin/uv && touch $@

# The stamp is in the environment, so it is deleted with it. Both projects pin the same versions,
# which are downloaded once. All packages are compiled: trainers write no bytecode, so without it
# each start would compile torch and transformers again.
%/.venv/.compiled: %/requirements-dev.txt | bin/.uv-$(UV_VERSION)
	@echo "installing the packages of $* (the first time downloads 2.5 GB)"
	$(BIN)/uv venv -q --allow-existing $*/.venv
	$(BIN)/uv pip sync -q --compile-bytecode --require-hashes -p $*/.venv $*/requirements-dev.txt
	@touch $@

client/.venv/.compiled: client/requirements-dev.txt | bin/.uv-$(UV_VERSION)
	@echo "installing the packages of the Python client's tests"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --require-hashes -p $(@D) $<
	@touch $@

# Without torch: these models run on CTranslate2.
embedder/small/.venv/.compiled: embedder/small/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing small models of speech and meaning (300 MB)"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --compile-bytecode --require-hashes -p $(@D) $<
	@touch $@

internal/answer/zootest/litellm/.venv/.compiled: internal/answer/zootest/litellm/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing LiteLLM's proxy"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --require-hashes -p $(@D) $<
	@touch $@

internal/traces/phoenixtest/.venv/.compiled: internal/traces/phoenixtest/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing Phoenix (600 MB)"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --compile-bytecode --require-hashes -p $(@D) $<
	@touch $@

# The packages of the trainer, with torch, are added to those of the servers.
PURELIB := import sysconfig; print(sysconfig.get_path("purelib"))
internal/answer/zootest/servers/.venv/.compiled: internal/answer/zootest/servers/requirements.txt trainer/.venv/.compiled | bin/.uv-$(UV_VERSION)
	@echo "installing vLLM's CPU build and llama.cpp's server (1 GB)"
	$(BIN)/uv venv -q --allow-existing -p trainer/.venv/bin/python $(@D)
	$(BIN)/uv pip sync -q --compile-bytecode --require-hashes -p $(@D) $<
	@trainer/.venv/bin/python -c '$(PURELIB)' > "$$($(@D)/bin/python -c '$(PURELIB)')/trainer.pth"
	@touch $@

.tools/peers/.compiled: docs/benchmarks/ingest/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing Ray Data and Prefect"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --require-hashes -p $(@D) $<
	@touch $@

prompt/conformance/.venv/.compiled: prompt/conformance/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing DSPy and Optuna"
	$(BIN)/uv venv -q --allow-existing prompt/conformance/.venv
	$(BIN)/uv pip sync -q --compile-bytecode --require-hashes -p prompt/conformance/.venv prompt/conformance/requirements.txt
	@touch $@

internal/ffmpeg/truth/.venv/.compiled: internal/ffmpeg/truth/requirements.txt | bin/.uv-$(UV_VERSION)
	@echo "installing PyAV"
	$(BIN)/uv venv -q --allow-existing $(@D)
	$(BIN)/uv pip sync -q --require-hashes -p $(@D) $<
	@touch $@
