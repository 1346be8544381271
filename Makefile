# MicroMint. `make help` lists the targets.

SHELL := /bin/sh
CARGO ?= cargo
export CARGO
# Installed in a cache outside of this folder when they are first needed.
CARGO_DENY := cargo-deny 0.20.2
MDBOOK := mdbook 0.5.4 --no-default-features --features search
GECKODRIVER := geckodriver 0.37.1

.DEFAULT_GOAL := help
.PHONY: help build broker nginx-module apache-module demo install uninstall deb test-deb rpm book clean \
	test test-core lint test-c test-servers test-vectors wasm fuzz-build test-bindings test-agents wheel \
	deny msrv check-page check-platforms extension test-browser attack test-slow test-load \
	test-reload test-guide test-asan test-slurm \
	test-kubernetes test-broker test-broker-cycle test-broker-months test-broker-faults \
	test-broker-pages test-broker-sepa \
	bench bench-redemption bench-broker bench-memory bench-c bench-servers

help: ## print this list
	@awk -F ':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build and install. Each target installs the packages that it needs, and no others.

build: ## the library and the tools, in target/release
	@scripts/setup.sh build
	$(CARGO) build --release

broker: ## the broker's programs mmbrokerd, mmbroker and mmredeem, in target/release (Rust 1.94)
	@scripts/setup.sh build
	$(CARGO) build --release -p coinmint -p mmbrokerd

nginx-module: ## the module for the installed nginx, in target/nginx
	@scripts/setup.sh nginx
	@scripts/build-nginx-module.sh

apache-module: ## the module for the installed Apache, in target/apache
	@scripts/setup.sh apache
	@scripts/build-apache-module.sh

extension: ## the browser wallet for Chromium and Firefox, in extension/build
	@scripts/setup.sh extension
	@scripts/build-extension.sh

demo: ## a broker with pages: register, voucher, buy, pay on a real nginx, payout (Rust 1.94)
	@scripts/setup.sh demo
	$(CARGO) build --release -p coinmint -p mmbrokerd -p mmvendor -p mmwallet
	@$(MAKE) --no-print-directory nginx-module
	@scripts/demo.sh

install: ## library, tools, pages, modules: PREFIX=/usr/local DESTDIR= LIBDIR= MODULES=yes BROKER=no
	@PREFIX="$(PREFIX)" LIBDIR="$(LIBDIR)" DESTDIR="$(DESTDIR)" MODULES="$(MODULES)" \
		BROKER="$(BROKER)" scripts/install.sh

uninstall: ## remove what make install with the same PREFIX and DESTDIR installed
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh --uninstall

deb: ## Debian packages, built in a clean Debian 12 without network, in target/deb/packages (root)
	@scripts/setup.sh deb
	@scripts/build-deb.sh

rpm: ## RPM packages, built by Debian's rpmbuild, in target/rpm
	@scripts/setup.sh rpm
	$(CARGO) fetch --quiet
	@scripts/build-rpm.sh

book: ## the documents as a book, in target/book (builds mdBook once: minutes)
	@scripts/check-links.sh
	@"$$(scripts/cargo-tool.sh $(MDBOOK))" build
	@scripts/check-links.sh --book target/book

wheel: ## the Python package with the library inside, in target/wheel
	@scripts/setup.sh build
	@scripts/build-wheel.sh

clean: ## remove everything built
	$(CARGO) clean
	rm -rf .demo

##@ Tests. CONTRIBUTING.md says what each takes.

test: ## every test that a change must pass: the seven targets below
	@scripts/setup.sh test
	+@MAKE="$(MAKE)" scripts/test.sh

test-core: ## the core, the C library and the tools: no root, no servers
	@scripts/setup.sh core
	MICROMINT_REQUIRE_SERVERS=1 $(CARGO) test

lint: ## format, warnings, features, layers, dependencies, documentation, links
	@scripts/setup.sh lint
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --quiet --workspace --exclude mmbrokerd --all-targets -- -D warnings
	@scripts/build-nginx-module.sh --lint
	@scripts/build-apache-module.sh --lint
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --no-deps
	@scripts/check-features.sh
	@scripts/check-lines.sh
	@scripts/check-modules.sh
	@scripts/check-msrv.sh
	@scripts/check-abi.sh
	@scripts/check-platforms.sh
	@scripts/check-dependencies.sh
	@scripts/check-attacks.sh
	@scripts/check-links.sh

test-c: ## C programs with the shipped library under valgrind, the installation, the examples
	@scripts/setup.sh c
	MICROMINT_C_PROFILE=release MICROMINT_C_VALGRIND=1 $(CARGO) test --test c
	PROFILE=dev scripts/test-install.sh

test-servers: nginx-module apache-module ## the modules in real servers
	@scripts/setup.sh servers
	@scripts/build-nginx-module.sh --for-tests
	@scripts/build-apache-module.sh --for-tests
	$(CARGO) build --quiet --package mmwallet
	$(CARGO) test --workspace --exclude mmbrokerd --test nginx --test apache --test both
	PROFILE=dev scripts/test-install.sh --modules

test-bindings: ## Python, PHP, Go, Node.js and Ruby: MICROMINT_BINDINGS="go ruby" selects (5 minutes)
	@scripts/setup.sh bindings
	@scripts/test-bindings.sh

test-agents: nginx-module apache-module ## mppx, pympp, mpp, @x402/fetch and an MCP client pay
	@scripts/setup.sh servers agents
	@scripts/test-agents.sh

test-vectors: ## the second implementation agrees with testdata/
	@scripts/setup.sh vectors
	python3 testdata/check_vectors.py

wasm: ## the core builds for wasm32
	@scripts/wasm-build.sh

fuzz-build: ## the fuzz targets build
	@scripts/setup.sh build
	@scripts/fuzz-build.sh

check-page: ## the 402 page in Chromium, three languages, compared with the documents
	@scripts/setup.sh page
	@mkdir -p target/pages && rm -f target/pages/*.html
	$(CARGO) run --quiet -p micromint --example render-pages --features simulated-host target/pages
	@scripts/check-page.py target/pages

check-platforms: ## the C library for musl, linked and run, and checked for aarch64
	@scripts/setup.sh musl
	@scripts/check-platforms.sh --build

test-browser: nginx-module apache-module ## the browser wallet in real browsers: BROWSERS= SERVERS=
	@scripts/setup.sh servers browser
	@scripts/build-extension.sh --for-tests
	@cd extension/core && $(CARGO) test --quiet --locked
	$(CARGO) build --quiet -p coinmint -p mmbrokerd -p mmvendor -p mmwallet
	@driver=$$(scripts/cargo-tool.sh $(GECKODRIVER)) && cd extension && \
		MICROMINT_GECKODRIVER="$$driver" node --test --test-concurrency=1 test/core.test.mjs test/background.test.mjs test/lifecycle.test.mjs test/browser.test.mjs

msrv: ## no dependency of the library or the modules needs a newer Rust than ours (in lint)
	@scripts/check-msrv.sh

##@ More tests, not part of make test

deny: ## licences, bans and sources of all dependencies (builds cargo-deny once: minutes)
	@tool=$$(scripts/cargo-tool.sh $(CARGO_DENY)) && \
		"$$tool" check bans licenses sources && \
		"$$tool" --manifest-path fuzz/Cargo.toml check licenses sources

attack: ## every known attack on the money, on a real demo period (a minute, once built)
	@scripts/setup.sh core
	$(CARGO) run --release -p micromint --example attack

test-slow: ## the largest sizes, measurements, and a hundred purchases that are killed
	@scripts/setup.sh core broker
	$(CARGO) test --release -p micromint -- --ignored --nocapture --test-threads 1
	$(CARGO) test -p mmbrokerd --test commands -- --ignored a_hundred

test-broker: ## the broker's service, on SQLite and on a PostgreSQL of its own (builds sqlx: minutes)
	@scripts/setup.sh broker
	$(CARGO) build --quiet -p coinmint -p mmvendor
	$(CARGO) clippy --quiet -p mmbrokerd --all-targets -- -D warnings
	$(CARGO) test -p mmbrokerd

test-broker-pages: ## the broker's pages in a real Chromium, with pictures in target/broker-pages
	@scripts/setup.sh broker browser
	$(CARGO) build --quiet -p coinmint -p mmbrokerd
	@[ -e extension/node_modules/.package-lock.json ] || \
		npm --prefix extension ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@cd extension && node --test test/broker-pages.test.mjs

test-broker-sepa: ## an example of a payout run against the schema pain.001 (Python packages from PyPI)
	@scripts/check-sepa.sh

test-broker-cycle: nginx-module ## wallet, vendor and nginx with the broker's service
	@scripts/setup.sh servers
	$(CARGO) build -p coinmint -p mmbrokerd -p mmvendor -p mmwallet
	@scripts/test-broker.sh

test-broker-months: nginx-module ## two month ends with a moved clock, without a person (minutes)
	@scripts/setup.sh servers broker months
	$(CARGO) build -p coinmint -p mmbrokerd -p mmvendor -p mmwallet
	@scripts/test-months.sh

test-broker-faults: ## the broker's service killed again and again for two minutes: SECONDS=120
	@scripts/setup.sh broker
	MICROMINT_FAULT_SECONDS=$(or $(SECONDS),120) \
		$(CARGO) test -p mmbrokerd --test faults -- --nocapture --test-threads 1

test-load: nginx-module ## honest and hostile load while workers are killed: MINUTES=10
	@scripts/setup.sh servers
	MICROMINT_LOAD_SECONDS=$$(( $(or $(MINUTES),10) * 60 )) \
		$(CARGO) test --release -p micromint-servers --test nginx load -- --nocapture

test-reload: nginx-module apache-module ## payments during reloads and upgrades: PAYMENTS=10000
	@scripts/setup.sh servers
	MICROMINT_RELOAD_PAYMENTS=$(or $(PAYMENTS),10000) \
		$(CARGO) test --release -p micromint-servers --test both reloads -- --nocapture \
		--test-threads 1 --include-ignored

test-guide: nginx-module ## execute the commands of docs/guide/nginx.md (root, in namespaces)
	@scripts/setup.sh servers
	$(CARGO) build --quiet -p mmbrokerd
	@scripts/test-guide.sh docs/guide/nginx.md

test-deb: ## install, upgrade, remove and purge the packages of make deb beside servers (root)
	@scripts/setup.sh deb
	@scripts/test-deb.sh

test-asan: apache-module ## the Apache tests under AddressSanitizer (needs a nightly Rust)
	@scripts/setup.sh servers
	@scripts/asan-apache.sh

test-slurm: ## mint as job arrays on a Slurm of its own (root)
	@scripts/setup.sh slurm
	$(CARGO) build -p coinmint
	@scripts/test-slurm.sh target/debug/coinmint

test-kubernetes: ## the Kubernetes manifest against its schema (a Python package from PyPI)
	@scripts/test-kubernetes.sh

##@ Benchmarks

bench: ## DES and SHA-256 kernels beside other programs
	@scripts/setup.sh build
	@scripts/bench.sh

bench-redemption: ## redeem 10 million coins against a coin file of 1 GiB (3 GB of disk)
	@scripts/setup.sh build
	$(CARGO) bench -p micromint --bench redemption

bench-broker: ## the broker's service beside its bare database: DATABASE= COINS= CLAIMS=
	@scripts/setup.sh broker
	$(CARGO) run --release --quiet -p mmbrokerd --example bench-broker -- \
		$(or $(DATABASE),sqlite) $(or $(COINS),1000000) $(or $(CLAIMS),10000000)

bench-memory: ## what little memory costs a mint (root; SIZES="31 18G 2G 2560M" for 16 GiB)
	@scripts/setup.sh build
	$(CARGO) build --release -p coinmint
	@scripts/bench-memory.sh $(SIZES)

bench-c: ## checking a coin through C and in Rust
	@scripts/setup.sh build
	$(CARGO) build --release -p micromint-ffi
	@scripts/link-c.sh target/release
	$(CARGO) bench -p micromint-ffi --bench check
	@! command -v valgrind >/dev/null || \
		$(CARGO) bench --quiet -p micromint-ffi --bench check -- --instructions

bench-servers: nginx-module apache-module ## free, 402 and paid requests beside the plain servers
	@scripts/setup.sh servers
	$(CARGO) run --release --quiet -p micromint-servers --bin bench-servers -- --server nginx
	$(CARGO) run --release --quiet -p micromint-servers --bin bench-servers -- --server apache
