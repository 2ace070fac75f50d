# Bare `make` prints every target with its comment, the text after the double hash, in groups: a line
# that begins with a double hash is a group's title.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
INSTALLED := $(VENV)/.installed
LINT_VENV ?= .venv-lint
LINT_BIN := $(abspath $(LINT_VENV))/bin
LINT_INSTALLED := $(LINT_VENV)/.installed
CODE := src airflow infra tests benchmarks tools
TERRAFORM := bash infra/terraform/terraform.sh

## First steps

.PHONY: demo
demo: $(INSTALLED) ## Run the four DAGs on a temporary Airflow, on TRAIN_DATA_PATH or generated loans (KEEP=1 keeps it running)
	@$(BIN)/python src/run_demo.py $(if $(KEEP),--keep) > /dev/null

.PHONY: install
install: $(INSTALLED) ## Create .venv with the locked, hashed requirements and this package

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} \
	  /^[a-zA-Z0-9_-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n%s\n%s\n' 'To train, promote, score, monitor and serve: python src/NAME.py --help, explained in docs/pipeline.md.' \
	  'Settings: .env.example. Pages by reader: docs/README.md.'

# The package is installed as a link to this checkout, so a moved checkout, or another one with the
# same VENV, must install it again
ifneq ($(shell cat $(INSTALLED) 2> /dev/null),$(CURDIR))
$(INSTALLED): FORCE
FORCE:
endif

$(INSTALLED): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "make: Python 3.11 to 3.13 is needed; choose one with: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(if $(filter demo,$(MAKECMDGOALS)),echo 'The demo installs its packages once (1 to 5 minutes) and runs four DAGs on generated loans (2 to 4 minutes).' >&2)
	@bash tools/install.sh $(VENV) $(PYTHON) $(UV_VERSION)
	@echo '$(CURDIR)' > $@

# Programs come inside wheels: --no-build rejects packages that download one while they are built
$(LINT_INSTALLED): tools/requirements-lint.txt | $(INSTALLED)
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	test -x $(LINT_BIN)/python || "$$uv" venv --quiet --python $(BIN)/python $(LINT_VENV); \
	"$$uv" pip install --quiet --no-build --python $(LINT_BIN)/python --require-hashes -r tools/requirements-lint.txt
	@touch $@

## Run the whole platform (Docker)

.PHONY: start
start: ## Start the whole platform with Docker Compose; creates .env and the images on first use
	@bash airflow/start_all.sh

.PHONY: troubleshoot
troubleshoot: ## Diagnose the platform: what is wrong and how to fix it
	@bash airflow/troubleshoot.sh

.PHONY: stop
stop: ## Stop the platform and keep its data
	@bash airflow/stop_all.sh

.PHONY: clean
clean: ## Stop the platform and delete its data, after confirmation
	@bash airflow/stop_all.sh --clean

## Keep everything in Google Cloud Storage

.PHONY: terraform-init
terraform-init: ## Set up Terraform: download its Google provider
	@$(TERRAFORM) init

.PHONY: terraform-plan
terraform-plan: ## Show what terraform-apply would create in Google Cloud
	@$(TERRAFORM) plan

.PHONY: terraform-apply
terraform-apply: ## Create the bucket and its service account, after confirmation
	@$(TERRAFORM) apply

.PHONY: terraform-destroy
terraform-destroy: ## Delete them, after confirmation; a bucket that is not empty is kept
	@$(TERRAFORM) destroy

.PHONY: terraform-validate
terraform-validate: ## Check the Terraform files
	@$(TERRAFORM) validate

## Check a change

.PHONY: format
format: $(INSTALLED) ## Format the code with isort and black
	$(BIN)/isort --quiet $(CODE)
	$(BIN)/black --quiet $(CODE)

.PHONY: lint
lint: $(INSTALLED) ## Check style and types: flake8, isort, black, mypy
	$(BIN)/flake8 $(CODE)
	$(BIN)/isort --quiet --check --diff $(CODE)
	$(BIN)/black --quiet --check --diff $(CODE)
	$(BIN)/mypy

# Airflow's tests import it: four seconds in each process
.PHONY: test-quick
test-quick: $(INSTALLED) ## Run the tests that start no server, no Airflow and no Docker, without coverage (3 minutes at most)
	$(BIN)/python -m pytest -n 2 -m 'not docker and not slow and not thorough' --ignore tests/airflow $(PYTEST_ARGS)

.PHONY: test
test: $(INSTALLED) ## Run every test that needs no Docker (RUN_INTEGRATION_TESTS=0 skips the slow ones)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(PYTEST_ARGS) \
	  $(if $(filter 0,$(RUN_INTEGRATION_TESTS)),,--cov-fail-under=90)

.PHONY: test-stack
test-stack: $(INSTALLED) ## Test the whole platform in Docker, with its own project name and ports (needs Chromium)
	$(BIN)/python -m pytest -m docker --durations 10 $(PYTEST_ARGS) \
	  $(patsubst %,tests/stack/test_%.py,first_day faults operations shutdown bucket)

.PHONY: docs
docs: $(INSTALLED) ## Generate docs/data-contract.md and docs/settings.md from the code
	@$(BIN)/python tools/reference.py

## Check more

.PHONY: lint-all
lint-all: lint lint-files lint-secrets lint-terraform ## Run every static check: lint, lint-files, lint-secrets, lint-terraform

# jactionlint finds shellcheck on PATH
.PHONY: lint-files
lint-files: $(LINT_INSTALLED) ## Check shell scripts, Dockerfiles, YAML and GitHub's workflows
	git ls-files -z '*.sh' .ci/run | xargs -0 $(LINT_BIN)/shellcheck
	$(LINT_BIN)/hadolint Dockerfile.*
	$(LINT_BIN)/yamllint --strict .
	PATH="$(LINT_BIN):$$PATH" jactionlint --strict-exit
	$(LINT_BIN)/zizmor --quiet --offline --persona pedantic .github
	$(LINT_BIN)/checkov --quiet --compact --skip-download --framework dockerfile github_actions terraform --directory .

# Values are checked, not names: tests and examples are full of fake values named "password". Locked
# requirements are excluded because they are hashes.
.PHONY: lint-secrets
lint-secrets: $(LINT_INSTALLED) ## Look for secrets in the files tracked by git
	git ls-files -z | grep -Ezv '^(tools/)?requirements[^/]*\.txt$$' \
	  | xargs -0 $(LINT_BIN)/detect-secrets-hook --disable-plugin KeywordDetector --exclude-secrets /T000/B000/XXXX

.PHONY: lint-terraform
lint-terraform: ## Check Terraform's format and, after make terraform-init, its plans, without an account
	@$(TERRAFORM) fmt -check -diff -recursive
	@if [ -d infra/terraform/.terraform ]; then $(TERRAFORM) validate && $(TERRAFORM) test; \
	else echo 'skipped: terraform validate and terraform test need its provider: make terraform-init'; fi

.PHONY: audit
audit: $(LINT_INSTALLED) ## Check the locked packages for known vulnerabilities in PyPI's database (needs internet access)
	$(LINT_BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes $(addprefix -r ,$(wildcard requirements*.txt tools/requirements*.txt))

.PHONY: fuzz
fuzz: $(INSTALLED) ## Test the properties and the REST API with FUZZ_FACTOR=20 times the usual examples
	FUZZ_FACTOR=$${FUZZ_FACTOR:-20} $(BIN)/python -m pytest -n 2 -m 'hypothesis and not docker' --timeout 7200
	FUZZ_FACTOR=$${FUZZ_FACTOR:-20} $(BIN)/python -m pytest tests/serving/test_openapi.py --timeout 7200

MUTATION := $(VENV)/.mutation
$(MUTATION): tools/requirements-mutation.txt $(INSTALLED)
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	"$$uv" pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $<
	@touch $@

# One thread per mutant: they are many and small
.PHONY: mutation
mutation: $(MUTATION) ## Run mutation tests on the pure modules and count the mutants killed (an hour or two)
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results --all true | $(BIN)/python tools/mutation_score.py

## Measure

.PHONY: bench
bench: $(INSTALLED) ## Benchmark every step on 2.26 million loans against its peer, and a training (half an hour)
	@$(BIN)/python benchmarks/full_file.py
	@$(BIN)/python benchmarks/training.py
	@$(BIN)/python benchmarks/monitor.py

.PHONY: bench-growth
bench-growth: $(INSTALLED) ## Benchmark and plot every step from 100,000 to 10 million loans (half an hour, 8 GB of disk)
	@$(BIN)/python benchmarks/growth.py

.PHONY: bench-serve
bench-serve: $(INSTALLED) ## Benchmark the scoring server against mlflow models serve on one model (about 6 minutes)
	@$(BIN)/python benchmarks/serve.py

.PHONY: bench-stack
bench-stack: $(INSTALLED) ## Measure make start, the platform's idle memory and the sizes of its images
	@$(BIN)/python benchmarks/stack.py

## Prepare a release

.PHONY: recording
recording: $(INSTALLED) ## Record make demo in a terminal as docs/images/demo.gif (2 to 4 minutes)
	@$(BIN)/python tools/terminal_picture.py

.PHONY: lock
lock: $(INSTALLED) ## Compile every requirements*.txt from pyproject.toml, for Python 3.11 to 3.13 on every platform
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	compile() { "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --custom-compile-command "make lock" "$$@"; }; \
	compile pyproject.toml -o requirements.txt && \
	compile pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt && \
	compile --group pyproject.toml:serve -c requirements.txt -o requirements.serve.txt && \
	compile --group pyproject.toml:monitoring -c requirements.txt -o requirements-monitoring.txt && \
	compile --group pyproject.toml:lint -o tools/requirements-lint.txt && \
	compile --group pyproject.toml:mutation -c requirements-dev.txt -o tools/requirements-mutation.txt

.PHONY: screenshots
screenshots: $(INSTALLED) ## Take the README's screenshots from a running platform (needs Chromium; 6 minutes)
	@$(BIN)/python tools/screenshots.py
