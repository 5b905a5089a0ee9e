# The one entry to this repository's commands. Each target is described by the `## ` comment behind it.

# Where rustup puts cargo; a shell that was opened before does not have it on its path yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

TARGET := $(or $(CARGO_TARGET_DIR),target)
NUNCIO := $(TARGET)/debug/nuncio
# Handed to the command that is started: make demo ARGS="--people 200"
ARGS ?=
# How long a soak goes on.
SECONDS ?= 600
# Which rows a bench has; all that fit into nine minutes without it.
ROWS ?=
# Which example.
NAME ?= conversation_basics
# How many messages the simulator's bench sends.
SENDS ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help demo run example test judges check soak faults clouds bench bench-full bench-sim fmt prepare

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## A simulated organisation and a first broadcast, end to end (ARGS="…" is handed on)
	@tools/prepare.sh
	@tools/build.sh
	@exec $(NUNCIO) demo $(ARGS)

run: ## Build and start the server (ARGS="…" is handed on: make run ARGS="--local")
	@tools/prepare.sh
	@tools/build.sh
	@exec $(NUNCIO) serve $(ARGS)

example: ## One of Microsoft's samples, in Rust: make example NAME=reminders (examples/README.md)
	@tools/prepare.sh
	@cargo build -p nuncio -p nuncio-examples --bin nuncio --example $(NAME)
	@exec $(TARGET)/debug/examples/$(NAME)

test: ## Everything that has to pass: walls, sizes, format, all tests
	@begin=$$(date +%s); result=0; \
	{ tools/prepare.sh test \
	  && cargo xtask check-deps \
	  && cargo xtask check-size \
	  && cargo fmt --all --check \
	  && cargo test --workspace; } || result=$$?; \
	took=$$(( $$(date +%s) - begin )); \
	if [ $$result -eq 0 ]; then word=passed; else word=FAILED; fi; \
	printf 'make test: %s, %d min %02d s in all\n' $$word $$((took / 60)) $$((took % 60)) >&2; \
	exit $$result

judges: prepare ## Microsoft's SDKs, unmodified, against the simulator
	@judges/prepare.sh
	cargo test -p nuncio --test it judges -- --nocapture

check: prepare ## Format, clippy with warnings as errors, walls
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask check-deps

fmt: ## Format the Rust code
	cargo fmt --all

soak: prepare ## The engine's seeded simulation with deaths and bad weather, for SECONDS=600
	NUNCIO_SOAK_S=$(SECONDS) cargo test -p nuncio-engine --test it seeds -- --nocapture

faults: prepare ## Write docs/faults.md anew from what the tests see
	NUNCIO_BLESS=1 cargo test -p nuncio-engine --test it fault_table
	NUNCIO_BLESS=1 cargo test -p nuncio --test it fault_table

clouds: prepare ## Write docs/clouds.md anew: which hosts are called in each cloud
	NUNCIO_BLESS=1 cargo test -p nuncio --test it clouds

bench: prepare ## What the engine does on this machine, beside a bare loop (ROWS="sqlite accept" for some of it)
	cargo build --release -p nuncio
	cargo run --release -p nuncio --example bench -- $(ROWS)

bench-full: prepare ## The same with the lengths that the bars are meant for, a million recipients and slow fsync
	cargo build --release -p nuncio
	cargo run --release -p nuncio --example bench -- --full $(ROWS)

bench-sim: prepare ## How fast the simulator is on one core, with SENDS=1000000 messages
	cargo run --release -p nuncio-sim --example load -- --sends $(SENDS)

prepare:
	@tools/prepare.sh
