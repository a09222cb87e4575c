# The only vocabulary of the project: `make` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODEGEN := .venv-codegen
INSTALLED := $(VENV)/.installed
CODEGEN_INSTALLED := $(CODEGEN)/.installed
GOOGLEAPIS := proto/third_party
GOOGLEAPIS_COPIED := $(GOOGLEAPIS)/google/rpc/status.proto
PROTOS := $(wildcard proto/syncline/v1/*.proto)
SERVICES := $(wildcard proto/syncline/v1/*_service.proto)

# Random histories and rounds of killing for `make chaos`.
SEEDS ?= 300
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help install lock generate verify fix unit conformance service chaos e2e bench demo cluster cluster-haproxy cluster-status cluster-check cluster-down deploy-check check build clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with everything that development needs, pinned

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The code generator has an environment of its own: it needs an older protobuf than the servers do.
$(CODEGEN_INSTALLED): requirements/codegen.txt
	$(PYTHON) -m venv $(CODEGEN)
	$(CODEGEN)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/codegen.txt
	@touch $@

$(GOOGLEAPIS_COPIED): $(INSTALLED)
	@mkdir -p $(GOOGLEAPIS)/google/api $(GOOGLEAPIS)/google/rpc
	@cp $$($(BIN)/python -c 'from google.api import field_behavior_pb2 as m; print(m.__file__[:-len("_pb2.py")] + ".proto")') $(GOOGLEAPIS)/google/api/
	@cp $$($(BIN)/python -c 'from google.rpc import status_pb2 as m; print(m.__file__[:-len("_pb2.py")] + ".proto")') $(GOOGLEAPIS)/google/rpc/

lock: ## Renew the lock files (needs uv); they hold no index address
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --no-emit-index-url \
		--all-extras --group dev --upgrade --quiet pyproject.toml -o requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --no-emit-index-url \
		--upgrade --quiet requirements/codegen.in -o requirements/codegen.txt

# $(call generate_into,DIR): the code of all messages and services
define generate_into
	PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" $(CODEGEN)/bin/python -m grpc_tools.protoc -Iproto -I$(GOOGLEAPIS) \
		--python_out=$(1) --mypy_out=quiet,readable_stubs:$(1) $(PROTOS)
	PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" $(CODEGEN)/bin/python -m grpc_tools.protoc -Iproto -I$(GOOGLEAPIS) \
		--grpc_python_out=$(1) --mypy_grpc_out=quiet,readable_stubs:$(1) $(SERVICES)
endef

generate: $(CODEGEN_INSTALLED) $(GOOGLEAPIS_COPIED) ## Generate the code of the contract
	cd proto && ../$(BIN)/buf format --write
	$(call generate_into,proto)

verify: $(INSTALLED) $(CODEGEN_INSTALLED) $(GOOGLEAPIS_COPIED) ## Lint, types, import rules, contract, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	cd proto && ../$(BIN)/buf lint
	cd proto && ../$(BIN)/buf format --diff --exit-code
	cd proto && ../$(BIN)/buf breaking --against released.binpb --exclude-imports
	@rm -rf build/generated && mkdir -p build/generated
	@$(call generate_into,build/generated)
	@cd build/generated && for made in $$(find . -type f); do cmp "$$made" "../../proto/$$made" || exit 1; done \
		|| (echo "generated code is out of date: run make generate" >&2; exit 1)

fix: $(INSTALLED) ## Mend what a tool can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd proto && ../$(BIN)/buf format --write

unit: $(INSTALLED) ## The quick tests
	$(BIN)/pytest tests/unit

conformance: $(INSTALLED) ## All stores against the storage contract
	$(BIN)/pytest tests/conformance -n $(WORKERS)

service: $(INSTALLED) ## Server, client, device database and command lines, on sockets and in processes
	$(BIN)/pytest tests/service tests/client tests/replica tests/cli -n $(WORKERS)

chaos: $(INSTALLED) ## Random histories and SIGKILL, SEEDS=n of each
	SYNCLINE_CHAOS_SEEDS=$(SEEDS) $(BIN)/pytest tests/chaos tests/conformance -m chaos --timeout 7200 -n $(WORKERS)

e2e: $(INSTALLED) ## Public Singer programs from the package index against real databases
	SYNCLINE_E2E=1 $(BIN)/pytest tests/e2e

bench: $(INSTALLED) ## Measure; figures and ratios go to bench/results.json
	$(BIN)/python -m bench

demo: $(INSTALLED) ## Real data, from an empty folder to an exact copy on a device
	$(BIN)/python -m examples.demo

cluster: $(INSTALLED) ## A whole Syncline on this machine: Postgres, two servers of each kind, two workers
	$(BIN)/python -m deploy.cluster up

cluster-haproxy: $(INSTALLED) ## The same with haproxy before the servers
	$(BIN)/python -m deploy.cluster up --haproxy

cluster-status: $(INSTALLED) ## How the cluster's programs do
	$(BIN)/python -m deploy.cluster status

cluster-check: $(INSTALLED) ## Real data and live updates through the cluster, all compared
	$(BIN)/python -m deploy.cluster check

cluster-down: $(INSTALLED) ## Stop the cluster; its data and logs stay in build/cluster
	$(BIN)/python -m deploy.cluster down

deploy-check: export CLUSTER = build/deploy-check
deploy-check: $(INSTALLED) ## The files in deploy/ with the programs they are for, which must be installed; not in `check`
	@command -v promtool > /dev/null || { echo "promtool is not installed; on Debian: sudo apt-get install prometheus" >&2; exit 1; }
	promtool check rules deploy/alerts.yml
	promtool test rules deploy/alerts_test.yml
	$(BIN)/python -m deploy.cluster up --haproxy
	promtool check config $(CLUSTER)/prometheus.yml && \
		$(BIN)/python -m deploy.cluster check --haproxy --rows 2000; status=$$?; \
		$(BIN)/python -m deploy.cluster down && exit $$status

check: verify ## What CI runs: everything that must hold
	$(BIN)/pytest -n $(WORKERS)

build: $(INSTALLED) ## Make the wheel and the source archive
	$(BIN)/python -m build --no-isolation

clean: ## Remove what was made, environments included
	rm -rf $(VENV) $(CODEGEN) $(GOOGLEAPIS) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
