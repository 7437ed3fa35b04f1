# Two commands matter: `make up` gives you a platform with a user cluster, `make test` tests everything.
SHELL := bash
.DEFAULT_GOAL := help
export CGO_ENABLED := 0

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: up
up: build ## Bring up the local platform with a user cluster "demo" (as root)
	bin/canopy up

.PHONY: down
down: build ## Take the local platform away, with all its data (as root)
	bin/canopy down

.PHONY: build
build: ## Build bin/canopy
	go build -trimpath -o bin/ ./cmd/canopy

.PHONY: test
test: verify lint unit e2e ## Test everything: generated files, style, units, and the local platform end to end

.PHONY: unit
unit: ## Run the tests that need no running platform; controllers run against a real kube-apiserver and etcd
	go test -count=1 ./... # a result of before would not know that a CRD or the chart has changed

.PHONY: e2e
e2e: ## Run the tests against the local platform, which is brought up if it is not (as root)
	hack/e2e

.PHONY: lint
lint: ## Check the style and the architecture
	go tool -modfile=hack/tools/lint/go.mod golangci-lint run

.PHONY: generate
generate: ## Generate deepcopy functions, CRDs and their reference
	hack/generate

.PHONY: verify
verify: ## Check that generated files are up to date, and that the API breaks no client of before
	hack/verify

.PHONY: bench
bench: build ## Measure the local platform; prints one JSON object a line (as root)
	go run ./bench

.PHONY: clean
clean: ## Remove what was built here, and the cache of images
	rm -rf bin
	rm -rf $${XDG_CACHE_HOME:-$$HOME/.cache}/canopy
