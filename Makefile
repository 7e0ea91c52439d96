# Everything a newcomer, a developer and CI need. `make run` and `make test` want Python 3.11 alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
export PYTHONUNBUFFERED := 1
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: run test matrix demo check check-types check-rest security sbom audit format lock install install-dev messages fuzz-api bench-engine bench-gateway bench-permissions bench-traces chaos-engine prove-engine screenshots clean

run: install ## serve web, worker and beat; prints address and sign-in; Ctrl-C ends it
	@exec $(BIN)/python manage.py up $(if $(PORT),--port $(PORT))

test: install-dev ## the suite on the embedded default, then on PostgreSQL and Redis
	@$(BIN)/python -m tests.suite

demo: install ## the main job from end to end in the terminal; FILE= and INPUTS= take another flow
	@DATA_DIR=$${DATA_DIR:-data/demo} LOG_LEVEL=$${LOG_LEVEL:-ERROR} LOG_FORMAT=console $(BIN)/python manage.py demo $(if $(FILE),--file "$(FILE)") $(if $(INPUTS),--inputs '$(INPUTS)')

check: install-dev ## everything a machine can judge without running the product
	@$(MAKE) --no-print-directory --output-sync=target -j2 check-types check-rest

check-types: install-dev
	$(BIN)/mypy .

check-rest: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	PRODUCTION=1 PUBLIC_URL=https://loomwork.example SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(60))") \
		$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BIN)/python manage.py check_translations
	$(BIN)/hadolint Dockerfile
	@$(MAKE) --no-print-directory security

# Its warnings go nowhere: they name every line near a `nosec` that needed none.
security: install-dev ## bandit over the rooms; a line it may pass over says why
	$(BIN)/bandit --quiet --recursive accounts audit billing bpm config core files llm orgs workflows \
		--exclude '*/tests/*' 2>/dev/null

sbom: install-dev ## what the product stands on, with licences, as CycloneDX in data/sbom.json
	@mkdir -p data
	@$(PYTHON) -m venv --clear --without-pip data/sbom
	@$(BIN)/uv pip install --quiet --python data/sbom/bin/python -r requirements.txt
	@$(BIN)/cyclonedx-py environment --output-reproducible --output-file data/sbom.json data/sbom/bin/python
	@rm -rf data/sbom
	@echo "data/sbom.json"

# Not part of `check`: its answer changes from day to day, and it asks an advisory database. Whatever
# could not be asked about fails it.
audit: install-dev ## the pinned components against known weaknesses (network)
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement requirements.txt

format: install-dev ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

matrix: install-dev ## everybody at every route, page and console view; the last line has the figures
	@$(BIN)/python -m tests.matrix

fuzz-api: install-dev ## the REST API against its OpenAPI document, by generated requests; EXAMPLES=100 an operation
	@$(BIN)/python -W ignore -m tests.fuzz $(if $(EXAMPLES),--examples $(EXAMPLES))

bench-engine: install ## the durable engine beside DBOS, Prefect and Celery, which it installs apart; at most ten minutes
	@$(BIN)/python -m bench.engine

bench-gateway: install ## requests per second of /v1 with durable money
	@$(BIN)/python -m bench.gateway

bench-permissions: install ## pages of 100,000 workflows for an owner, a member and a guest
	@$(BIN)/python -m bench.permissions

bench-traces: install-dev ## a trace among a million rows; the test's worlds are its data
	@$(BIN)/python -m bench.traces

chaos-engine: install-dev ## 300 runs while workers, beat, broker and database are killed 60 times; RUNS= KILLS= SEED=
	@$(BIN)/python -W ignore -m bench.chaos $(if $(RUNS),--runs $(RUNS)) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

prove-engine: install-dev ## the engine against its model, thousands of random histories; EXAMPLES= of them
	@ENGINE_EXAMPLES=$(or $(EXAMPLES),1500) $(BIN)/pytest workflows/tests/test_engine_model.py

screenshots: install-dev ## pictures of every page, light, dark and narrow, in data/shots
	@$(BIN)/python -m tests.browser.screenshots

messages: install-dev ## bring the catalogue up to date; what has no Chinese yet is listed
	$(BIN)/python manage.py check_translations --update

lock: install-dev ## pin what requirements*.in ask for
	$(BIN)/uv pip compile -q --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header requirements-dev.in -o requirements-dev.txt

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/uv:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Loomwork needs Python 3.11 or newer.')"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: requirements.txt | $(BIN)/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed | $(BIN)/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	@touch $@

clean: ## forget the virtual environment and all local data
	rm -rf $(VENV) data
