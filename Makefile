# make repro   set up and run the pipeline          make test     set up and pass every test
# make check   lint, types and the pipeline's order  make report   open the report, or say where it is
# make clean   remove what was made (not .venv)         make bench-quality | bench-speed BENCH=...   beside peers

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := repro
.PHONY: setup repro test check report clean bench-quality bench-speed

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Veritable needs Python 3.11 or newer, however this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

repro: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m veritable repro

test: setup
	@.ci/system-packages
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses auto --dist worksteal $(PYTEST)

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m veritable lint

report: repro
	@(test -n "$$DISPLAY$$WAYLAND_DISPLAY" && xdg-open reports/report.html) || echo "The report is reports/report.html"

clean:
	rm -rf data/raw/demo.csv data/prepared models/baselines models/classifier models/tuning
	rm -rf reports/evaluation reports/explanation reports/report.html .dvc/tmp/stages
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src stages tests -name __pycache__ -type d -prune -exec rm -rf {} +

bench-quality: setup
	$(PYTHON) benchmarks/quality/run.py $(BENCH)

bench-speed: setup
	$(PYTHON) benchmarks/training/run.py $(BENCH)
	$(PYTHON) benchmarks/training/stream.py
