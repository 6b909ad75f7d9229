# Everything starts from a bare clone: each target makes what it needs and skips what is there.
#
#   make run            import MovieLens, build, start API and page, print the address
#   make run LLM=none   the same without a language model
#   make test           the whole test suite, by two processes (WORKERS=1 for one)
#   make vllm           vLLM in an environment of its own, for `sidra serve-generator`

PYTHON ?= python3.11
VENV   ?= .venv
LLM    ?=
WORKERS ?= 2
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test lint types check format browser vllm vllm-if-possible doctor clean lock help

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there; install Python 3.11 or name another: make PYTHON=python3.12" >&2; exit 1; }
	@echo "make: creating the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml constraints.txt
	@echo "make: installing locked dependencies into $(VENV) (a few minutes and about 3 GB the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

run: $(STAMP)
	@$(BIN)/sidra run $(if $(LLM),--llm $(LLM))

test: $(STAMP) browser vllm-if-possible
	@echo "make: running the tests"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	@echo "make: lint and layers"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: $(STAMP)
	@echo "make: types"
	@$(BIN)/mypy

check: lint types test

format: $(STAMP)
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

# The page is tested in a real browser. Where one can be installed without asking for a password it is; else those
# tests skip and say so.
browser:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || \
	if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		echo "make: installing chromium for the browser tests"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 \
		|| echo "make: chromium could not be installed; the browser tests will be skipped"; \
	else \
		echo "make: no chromium here; the browser tests will be skipped (install it to run them)"; \
	fi

# vLLM pins versions that Sidra doesn't share, so it has an environment of its own in the cache folder. Its tests skip
# and say so where it can't be had.
vllm: $(STAMP)
	@$(BIN)/sidra serve-generator --install-only

vllm-if-possible: $(STAMP)
	@$(BIN)/sidra serve-generator --install-only || echo "make: without vLLM its tests will be skipped"

doctor: $(STAMP)
	@$(BIN)/sidra doctor

lock: $(STAMP)
	@{ head -n 1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v '^-e ' | sort -f; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .hypothesis
