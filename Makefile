# Thin: what a target does is written in noxfile.py.
#
#   ANSIBLE_CORE=2.16 make unit          another ansible-core than the newest
#   PYTHON=python3.12 make unit          another Python than the newest
#   make unit ARGS="-k plan --verbose"   arguments for the tool behind it

# A python3.x on the PATH may be a stub that finds no Python: only one that runs counts.
PYTHON ?= $(shell for python in python3.15 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c "" 2>/dev/null && echo $$python && exit; done; echo python3)
VENV := .venv/$(notdir $(PYTHON))
NOX := $(VENV)/bin/nox
ARGS ?=
RUN = @$(NOX) --session $@ -- $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test unit integration sanity lint floor soak fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(NOX) ## see it work, against an emulated cloud on this machine
	$(RUN)

test: $(NOX) ## lint, unit, integration and sanity: what a change has to pass
	@$(NOX) --session lint unit integration sanity

unit: $(NOX) ## the parts alone
	$(RUN)

integration: $(NOX) ## playbooks against the emulated cloud
	$(RUN)

sanity: $(NOX) ## ansible-test sanity, and does it build
	$(RUN)

lint: $(NOX) ## style, types, documentation, changelog
	$(RUN)

floor: $(NOX) ## the playbooks again, modules running on Python 3.9
	$(RUN)

soak: $(NOX) ## thousands of tasks in front of a cloud at its worst
	$(RUN)

fuzz: $(NOX) ## read 100 times as many odd answers as `make unit` does, other ones every time
	$(RUN)

clean: ## remove environments and caches
	rm -rf .venv .nox .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(NOX):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not one: make PYTHON=/path/to/python3.x" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check nox
