# Postern. `make` lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
ARGS    ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start everything on this machine; needs Go and make, nothing else (ARGS="--listen 127.0.0.1:9000")
	go run -ldflags "-X main.version=$(VERSION)" ./cmd/postern dev $(ARGS)

.PHONY: build
build: ## one static, stripped binary: bin/postern
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/postern ./cmd/postern

.PHONY: setup
setup: ## install what the tests need, where that is possible; elsewhere say what is missing
	@scripts/setup

.PHONY: test
test: setup ## run everything: format, vet, all tests under -race, real clients, browsers
	@scripts/test

.PHONY: bench
bench: build ## load a server of its own and print CPU an operation (ARGS="-engine postgres -dsn postgres://…")
	go run ./bench -bin bin/postern $(ARGS)

.PHONY: risk-report
risk-report: ## measure the risk model and write docs/RISK-REPORT.md; takes minutes
	go test ./riskstep/eval -run '^TestReport$$' -count=1 -timeout 60m -report $(CURDIR)/docs

.PHONY: fuzz
fuzz: ## run every fuzz target for a short while (FUZZTIME=10s)
	@scripts/fuzz

.PHONY: geo-city
geo-city: ## fetch a free database of cities (DB-IP, CC BY 4.0) to bin/geo, for --geo and geo.file; needs npm
	@scripts/geo-city

.PHONY: geo-data
geo-data: ## make the table of countries and networks in the binary anew (COUNTRIES= and SYSTEMS= name packages); needs npm
	@scripts/geo-data

.PHONY: deps
deps: ## who imports which third-party module
	@scripts/deps

.PHONY: specs
specs: ## section of a specification → code → test
	@scripts/specs

.PHONY: vuln
vuln: ## known vulnerabilities that our code reaches (VULNDB=directory of a database, for use without a network)
	@scripts/vuln
