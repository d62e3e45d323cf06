# Each target runs the nox session of the same name, see noxfile.py.
#
#   ANSIBLE_CORE=2.16 make unit          another ansible-core instead of the newest
#   PYTHON=python3.12 make unit          another Python instead of the newest
#   make unit ARGS="-k plan --verbose"   arguments for pytest, or the tool of that session

# A python3.x on the PATH may be a stub without a Python behind it: take the first one that runs.
PYTHON ?= $(shell for python in python3.15 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c "" 2>/dev/null && echo $$python && exit; done; echo python3)
VENV := .venv/$(notdir $(PYTHON))
NOX := $(VENV)/bin/nox
ARGS ?=
RUN = @$(NOX) --session $@ -- $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test docs unit integration e2e sanity lint floor matrix soak fuzz bench bench-roles clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(NOX) ## a quick demonstration, against an emulated cloud on this machine
	$(RUN)

test: lint unit docs sanity integration ## what a change must pass; with -j2, two of them at once

docs: $(NOX) ## the documentation site, in docs/build/html
	$(RUN)

unit: $(NOX) ## unit tests
	$(RUN)

integration: $(NOX) ## playbooks against an emulated cloud
	$(RUN)

sanity: $(NOX) ## ansible-test sanity, and a build of the collection
	$(RUN)

lint: $(NOX) ## style, types, documentation, changelog
	$(RUN)

e2e: $(NOX) ## playbooks against real guests in QEMU, by SSH; builds the guest first
	$(RUN)

floor: $(NOX) ## playbooks with modules on Python 3.9, the oldest supported
	$(RUN)

matrix: ## sanity, unit and module tests on each ansible-core, and a table of what passed
	@.ci/matrix $(ARGS)

soak: $(NOX) ## fault injection: thousands of tasks against a faulty cloud
	$(RUN)

fuzz: $(NOX) ## unexpected API responses, 100 times as many as in `make unit`, with new inputs each time
	$(RUN)

bench: $(NOX) ## what one task takes for 1 to 5,000 disks
	$(RUN)

bench-roles: $(NOX) ## what the roles cost with 20 to 500 hosts
	$(RUN)

clean: ## remove environments and caches
	rm -rf .venv .nox .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache docs/build tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(NOX):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not one: make PYTHON=/path/to/python3.x" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check nox
