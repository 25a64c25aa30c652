# Every target does its own set-up: a fresh clone needs only make and Python >= 3.11.
#
#   make demo         train, compare, and write demo/report.md (about 10 minutes)
#   make test         the test suite            make lint     style, types, import contracts
#   make test-slow    its long tests            make format   rewrite to the house style
#   make docs         the site, in docs/_build/html
#   make report       every number of docs/report anew (half a day of two cores)
#   make wheel        build dist/*.whl      make dist     wheel and sdist, checked for PyPI
#
# PYTHON=/path/to/python picks another interpreter for a new .venv; TORCH_INDEX= (empty) installs torch from the
# default index, where Linux gets the CUDA build; STEPS=20000 and EPISODES=100 shorten the demo.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PYTEST_ARGS ?=
# One process a core; tests of one file stay together, so that what a file sets up is set up once.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile

ENV_ID := PursuitEvasion-v0
DEMO := demo
STEPS :=
EPISODES :=
DEMO_RUN := $(DEMO)/runs/seed_0/barrierppo/$(ENV_ID)_1
DEMO_MODEL := $(DEMO_RUN)/$(ENV_ID).zip

.PHONY: demo test test-slow lint format docs report wheel dist clean
.DELETE_ON_ERROR:

demo: $(STAMP) $(DEMO_MODEL)
	$(BIN)/python scripts/compare.py --env $(ENV_ID) --methods barrierppo ppo ppo+filter --seeds 0 \
	    $(if $(STEPS),--timesteps $(STEPS)) $(if $(EPISODES),--eval-episodes $(EPISODES)) --out $(DEMO)

# The comparison finds this run where it would have put its own, and trains the baseline only.
$(DEMO_MODEL): | $(STAMP)
	rm -rf $(DEMO_RUN)
	$(BIN)/python -m rl_zoo3.train --algo barrierppo --env $(ENV_ID) --seed 0 --progress \
	    --num-threads 1 --eval-freq -1 $(if $(STEPS),-n $(STEPS)) --log-folder $(DEMO)/runs/seed_0

test: $(STAMP)
	$(PYTEST) $(PYTEST_ARGS)

test-slow: $(STAMP)
	$(PYTEST) -m slow --timeout 3600 $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Warnings are errors, and the notebooks run.
docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# qpth is the broken solver of the ablations; its own wishes about numpy are out of date.
report: $(STAMP)
	$(BIN)/python -m pip install -q --no-deps qpth==0.0.18
	$(BIN)/python scripts/study.py studies/headline.yml --workers 2
	$(BIN)/python scripts/study.py studies/ablations.yml --workers 2
	$(BIN)/python scripts/study.py studies/ablated_solver.yml --workers 2
	$(BIN)/python scripts/ablations.py --only solver metric margin
	$(BIN)/python scripts/decision_report.py --runs results/studies

wheel: $(STAMP)
	$(BIN)/python -m build --wheel

dist: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[release]"
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf build dist docs/_build docs/notebooks $(DEMO) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The start-up files are copied by an editable install, so a change to them asks for a new one.
$(STAMP): pyproject.toml constraints.txt $(wildcard sb3_barriernet/zoo/startup/*sb3*) | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install -c constraints.txt --no-deps --retries 1 \
	    --index-url $(TORCH_INDEX) torch || echo "No torch from $(TORCH_INDEX): the default index serves it instead.")
	$(BIN)/python -m pip install -c constraints.txt -e ".[test,lint,docs]"
	@touch $@

$(BIN)/python:
	@python=$$(sh scripts/find_python.sh $(PYTHON)) && echo "Creating $(VENV) with $$python" && "$$python" -m venv $(VENV)
