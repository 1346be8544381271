# MicroMint. `make help` lists the targets.

SHELL := /bin/sh
CARGO ?= cargo
NGINX_MODULE := target/nginx/ngx_http_micromint_module.so

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-core test-c test-slow test-servers test-vectors test-slurm test-kubernetes lint fuzz-build nginx-module apache-module install uninstall bench bench-redemption bench-memory bench-c clean bench-servers test-load test-guide test-asan

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what a fresh Debian 12 machine with Rust lacks
	@scripts/setup.sh

build: setup ## the library and the tools, in target/release
	$(CARGO) build --release

nginx-module: setup ## the module for the installed nginx, in target/nginx
	@scripts/build-nginx-module.sh

apache-module: setup ## the module for the installed Apache, in target/apache
	@scripts/build-apache-module.sh

demo: build nginx-module ## mint, sell, pay a page on a real nginx, redeem: the main job end to end
	@scripts/demo.sh

test: setup lint test-core test-c test-servers test-vectors fuzz-build ## every test but those of test-slow

lint: setup ## format, warnings, documentation links
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings
	@scripts/build-nginx-module.sh --lint
	@scripts/build-apache-module.sh --lint
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --no-deps
	@scripts/check-links.sh

test-core: setup ## the core and the tools
	$(CARGO) test

test-c: setup ## C programs against the library, in the profile that is shipped, under valgrind
	MICROMINT_C_PROFILE=release MICROMINT_C_VALGRIND=1 $(CARGO) test -p micromint-ffi --test c
	PROFILE=dev scripts/test-install.sh

test-slow: setup ## the largest sizes, and measurements: minutes, not part of `make test`
	$(CARGO) test --release -p micromint -- --ignored --nocapture --test-threads 1

test-servers: nginx-module apache-module ## the modules in real servers
	@scripts/build-nginx-module.sh --for-tests
	@scripts/build-apache-module.sh --for-tests
	$(CARGO) test -p micromint-servers
	PROFILE=dev scripts/test-install.sh --modules

test-vectors: setup ## the second implementation agrees with testdata/
	python3 testdata/check_vectors.py

test-slurm: setup ## mint as job arrays on a Slurm of its own (root; Debian's slurm-wlm)
	$(CARGO) build -p coinmint
	@scripts/test-slurm.sh target/debug/coinmint

test-kubernetes: ## the Kubernetes manifest against its schema (Python, from PyPI)
	@scripts/test-kubernetes.sh

fuzz-build: setup ## the fuzz targets still build
	@scripts/fuzz-build.sh

install: ## library, tools, pages and modules: make install PREFIX=/usr/local DESTDIR= LIBDIR= MODULES=yes
	@PREFIX="$(PREFIX)" LIBDIR="$(LIBDIR)" DESTDIR="$(DESTDIR)" MODULES="$(MODULES)" scripts/install.sh

uninstall: ## remove what `make install` with the same PREFIX and DESTDIR put there
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh --uninstall

bench: setup ## what the kernels reach on this machine, beside the plain crates, OpenSSL, john and hashcat
	@CARGO="$(CARGO)" scripts/bench.sh

bench-redemption: setup ## 10 million coins judged against a coin file of 1 GiB (3 GB of disk)
	$(CARGO) bench -p micromint --bench redemption

bench-memory: setup ## what little memory costs a mint (root; SIZES="31 18G 2G 2560M" for 16 GiB)
	$(CARGO) build --release -p coinmint
	@scripts/bench-memory.sh $(SIZES)

bench-c: setup ## what the check of a coin costs through C, beside Rust
	$(CARGO) build --release -p micromint-ffi
	@scripts/link-c.sh target/release
	$(CARGO) bench -p micromint-ffi --bench check
	@! command -v valgrind >/dev/null || $(CARGO) bench --quiet -p micromint-ffi --bench check -- --instructions

bench-servers: nginx-module apache-module ## what the modules cost: free, 402 and paid requests beside the plain servers, 20 rounds
	$(CARGO) run --release --quiet -p micromint-servers --bin bench-servers -- --server nginx
	$(CARGO) run --release --quiet -p micromint-servers --bin bench-servers -- --server apache

test-load: nginx-module ## hostile and honest load with workers killed: MINUTES=10
	MICROMINT_LOAD_SECONDS=$$(( $(or $(MINUTES),10) * 60 )) $(CARGO) test --release -p micromint-servers --test nginx load -- --nocapture

test-asan: nginx-module ## the tests of the Apache module under AddressSanitizer (a nightly Rust beside the usual one)
	@scripts/asan-apache.sh

test-guide: nginx-module ## the commands of docs/guide/nginx.md, as they stand (root; a namespace of their own)
	@scripts/test-guide.sh docs/guide/nginx.md

clean: ## remove everything built
	$(CARGO) clean
	rm -rf .demo
