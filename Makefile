# Two commands matter: `make up` gives you a platform with a user cluster, `make test` tests everything.
SHELL := bash
.DEFAULT_GOAL := help
export CGO_ENABLED := 0

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: up
up: canopy dashboard ## Bring up the local platform with a user cluster "demo" (as root)
	bin/canopy up

.PHONY: down
down: canopy ## Take the local platform away, with all its data (as root)
	bin/canopy down

.PHONY: build
build: canopy ## Build bin/canopy and bin/terraform-provider-canopy
	go build -trimpath -o bin/ ./cmd/terraform-provider-canopy

.PHONY: canopy
canopy:
	go build -trimpath -o bin/ ./cmd/canopy

# The page is built again when its sources have changed; without it the server says that it was built without.
dashboard_modules := dashboard/node_modules/.package-lock.json
dashboard_sources := $(shell find dashboard -path dashboard/node_modules -prune -o -path dashboard/dist -prune -o -path dashboard/e2e -prune -o -type f -print)

$(dashboard_modules): dashboard/package-lock.json
	cd dashboard && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
	touch $@

dashboard/dist/index.html: $(dashboard_modules) $(dashboard_sources)
	cd dashboard && npm run --silent build

.PHONY: dashboard
dashboard: dashboard/dist/index.html ## Build the dashboard, which is embedded into canopy-server

.PHONY: dashboard-test
dashboard-test: dashboard ## Check the dashboard: types, style, units, and every page in a browser
	hack/dashboard-test

.PHONY: test
test: verify lint dashboard-test unit e2e ## Test everything: generated files, style, units, and the local platform end to end

.PHONY: unit
unit: ## Run the tests that need no running platform; controllers run against a real kube-apiserver and etcd
	go test -count=1 ./... # a result of before would not know that a CRD or the chart has changed

.PHONY: e2e
e2e: ## Run the tests against the local platform, brought up anew (as root): what is there before is taken away
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
bench: canopy ## Measure the local platform; prints one JSON object a line (as root)
	go run ./bench

.PHONY: clean
clean: ## Remove what was built here, and the cache of images
	rm -rf bin dashboard/node_modules
	git clean -fdXq dashboard/dist
	rm -rf $${XDG_CACHE_HOME:-$$HOME/.cache}/canopy
