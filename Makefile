# Needs Python >= 3.11, pip, make and a C compiler; everything else goes into .venv/.
#   make            the environment           make test      fast tests (< 5 minutes on two cores)
#   make october    the main job              make test-all  fast and slow tests
#   make check      style, types, layers      make bench     speed, by parts
#   make oracles  books of others, for tests and bench
#   make readme     the README's figures and tables, from runs/; the tables of docs/odd.md
#   make notebooks  the notebooks with what they show, from their text
#   make golden     the digests of small runs anew; says what has changed
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
WORKERS ?= 2
# All of it: make october OCTOBER='--seeds 8 --pairs --days 2'. This part is what ten minutes on two cores hold.
OCTOBER ?= --seeds 4

.PHONY: venv oracles october test test-fast test-slow test-all warm check format bench readme notebooks golden clean
.DEFAULT_GOAL := venv

venv: .venv/.stamp

.venv/.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,sweep,view,calibrate,notebooks]'
	touch $@

# Books that others wrote, for tests and bench; one may install where the other does not.
oracles: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --only-binary bourse \
		"bourse==0.4.0; python_version < '3.12'"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt orderly-chaos==0.2.0

october: venv
	$(BIN)/cascade october $(OCTOBER)

# Kernels are compiled once, in one process, before test workers share the cache.
warm: venv
	$(BIN)/python -c "from abm.jit import warm; print(warm(), 'kernels ready')"

test: test-fast

test-fast: venv warm
	$(BIN)/python -m pytest -n $(WORKERS) -q -m "not slow"

test-slow: venv warm
	$(BIN)/python -m pytest -n $(WORKERS) -q -m slow

test-all: venv warm
	$(BIN)/python -m pytest -n $(WORKERS) -q

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict abm agents
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: venv warm
	$(BIN)/python -m tests.bench

readme: venv
	$(BIN)/cascade run two_venues
	$(BIN)/cascade run two_venues --set record.fills=true --set 'record.quotes=["makers"]' --out runs/look
	$(BIN)/python -m experiments.readme
	$(BIN)/python -m tests.view_picture
	$(BIN)/python -m experiments.odd

notebooks: venv warm
	$(BIN)/python -m tests.notebooks

# After a change of behaviour that is meant.
golden: venv warm
	$(BIN)/python -m tests.golden

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .kernels
	find abm agents experiments tests -name __pycache__ -type d -prune -exec rm -rf {} +
