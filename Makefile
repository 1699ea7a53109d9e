# The verbs of this project. Each needs make and Python 3.11 to 3.14, nothing else.

# Set it to choose an interpreter; otherwise 3.13 is taken, or else what is there.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run
run: ## everything on this machine, with a demo: make run PORT=8080
	@scripts/run.sh

.PHONY: clean
clean: ## remove what was installed and made, but not the data in var/
	rm -rf $(VENV) .venv-releases $(AUDIT) $(SHIPPED) $(DOCS) sbom.cdx.json site staticfiles htmlcov .coverage test-results tests/acceptance/sdks/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@echo "var/ is kept: it has the database and the secrets. Remove it to start over."

$(BIN)/python:
	@PYTHON='$(PYTHON)' scripts/venv.sh

# One stamp per requirements file: make installs again when the file changes.
$(VENV)/.requirements-dev: requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: test
test: $(VENV)/.requirements-dev ## every kind of test; all of them: make test ARGS=--all
	@$(BIN)/python -m tests.harness.run $(ARGS)

.PHONY: repeat
repeat: $(VENV)/.requirements-dev ## the tests again and again: make repeat ARGS="--times 3 --busy 2"
	@$(BIN)/python -m tests.harness.repeat $(ARGS)

.PHONY: browser
browser: $(VENV)/.requirements-dev ## the admin in a real browser: needs Debian's chromium
	@$(BIN)/python -m tests.harness.run --browser $(ARGS)

.PHONY: screenshots
screenshots: $(VENV)/.requirements-dev ## the pictures of README and docs, taken afresh
	@$(BIN)/python -m tests.browser.screenshots

.PHONY: faults
faults: $(VENV)/.requirements-dev ## the fault suite alone, with its table: make faults ARGS="--write"
	@$(BIN)/python -m tests.faults.report $(ARGS)

.PHONY: planted
planted: $(VENV)/.requirements-dev ## every misconfiguration, planted for real, and how it is named: make planted ARGS="-k key"
	@$(BIN)/python -m tests.planted $(ARGS)

.PHONY: soak
soak: $(VENV)/.requirements-dev ## a thousand random schedules of faults and requests: make soak ARGS="--seed 17 --count 1"
	@$(BIN)/python -m tests.faults.soak $(ARGS)

.PHONY: outage
outage: $(VENV)/.requirements-dev ## what it costs platforms that PostgreSQL is away: make outage ARGS="--minutes 30"
	@$(BIN)/python -m tests.outage $(ARGS)

.PHONY: people
people: $(VENV)/.requirements-dev ## 10,000 installs, then who they are: how soon each goes out: make people ARGS="--kind sqlite"
	@$(BIN)/python -m tests.people_load $(ARGS)

.PHONY: attack
attack: $(VENV)/.requirements-dev ## slow callers, bombs, guesses and garbage, all at once: make attack ARGS="--minutes 30"
	@$(BIN)/python -m tests.attack $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.requirements-dev ## branch coverage of unit and integration tests, on SQLite
	@$(BIN)/python -m pytest tests/unit tests/integration -n2 --cov --cov-report=term-missing:skip-covered $(ARGS)

.PHONY: mutants
mutants: $(VENV)/.requirements-dev ## what decides, broken in hundreds of places: does a test notice? make mutants ARGS="--count 40"
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: check
check: $(VENV)/.requirements-dev ## style, types, layers, migrations, deployment, repository
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

# The tools that judge what is installed have an environment of their own. What is made here
# has the one pip, and what runs is compiled when it first does: most of it never will be.
FILL = $(BIN)/python -m venv --without-pip $(1) && $(BIN)/python -m pip --python $(1)/bin/python \
  install --quiet --no-compile --disable-pip-version-check --require-hashes -r $(2)

AUDIT := .venv-audit
$(AUDIT)/.requirements-audit: requirements-audit.txt | $(BIN)/python
	@rm -rf $(AUDIT)
	$(call FILL,$(AUDIT),$<)
	@touch $@

.PHONY: audit
audit: $(AUDIT)/.requirements-audit ## known vulnerabilities of what is pinned: make audit ARGS="-s osv"
	@$(AUDIT)/bin/python -m scripts.audit $(ARGS)

# What production installs and nothing else: it is looked at, and never run.
SHIPPED := .venv-shipped
$(SHIPPED)/.requirements: requirements.txt | $(BIN)/python
	@rm -rf $(SHIPPED)
	$(call FILL,$(SHIPPED),$<)
	@touch $@

.PHONY: sbom
sbom: $(AUDIT)/.requirements-audit $(SHIPPED)/.requirements ## what production installs, as CycloneDX: sbom.cdx.json
	@$(AUDIT)/bin/python -m scripts.sbom $(SHIPPED)

# What builds the documentation has an environment of its own, too.
DOCS := .venv-docs
$(DOCS)/.requirements-docs: requirements-docs.txt | $(BIN)/python
	@rm -rf $(DOCS)
	$(call FILL,$(DOCS),$<)
	@touch $@

.PHONY: docs
docs: $(DOCS)/.requirements-docs ## the documentation as a site: site/index.html
	@rm -rf site
	@$(DOCS)/bin/python -m sphinx -q -W --keep-going -b html -d $(DOCS)/doctrees -c scripts/site . site
	@$(BIN)/python -m scripts.site

.PHONY: bench
bench: $(VENV)/.requirements-dev ## the README's performance table, measured afresh
	@$(BIN)/python -m benchmarks $(ARGS)
