# make demo    from raw text to a tested chatbot on this machine      make test    the quick tests
# Each makes its own .venv first. The second time neither needs the network.
.PHONY: help demo test test-all lint docs venv clean

EXTRAS ?= train,serve,eval,tasks,dev
STAMP = .venv/.installed-$$( (cat pyproject.toml constraints.txt; echo $(EXTRAS)) | cksum | cut -d ' ' -f 1)
PIP = .venv/bin/python -m pip install --no-input --disable-pip-version-check -c constraints.txt

help:
	@echo "make demo      run the quickstart recipe to its end, then say how to chat with the result"
	@echo "make test      the quick tests"
	@echo "make test-all  every test that this machine can run"
	@echo "make lint      ruff, mypy and the import contracts"
	@echo "make docs      write docs/reference from the code"
	@echo "make clean     remove the environment and the caches, keep runs/"

demo: venv
	@.venv/bin/anadil run quickstart

test: venv
	.venv/bin/python -m pytest -m "not slow and not gpu"

test-all: venv
	.venv/bin/python -m pytest

lint: venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

docs: venv
	.venv/bin/python scripts/reference.py

# The stamp carries a hash of what was asked for, so a change of pyproject.toml or constraints.txt installs again.
# torch goes in first and alone: ANADIL_TORCH_INDEX may offer its CPU build, which is much smaller, and nothing that
# is installed afterwards then asks for another one.
venv:
	@test -e "$(STAMP)" || { \
	set -e; \
	python=$$(sh scripts/preflight.sh); \
	.venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv; \
	echo "Installing into .venv; the first time this downloads PyTorch."; \
	index=$${ANADIL_TORCH_INDEX:-}; \
	if command -v nvidia-smi >/dev/null; then index=""; fi; \
	$(PIP) $${index:+--extra-index-url "$$index"} torch; \
	$(PIP) -q -e '.[$(EXTRAS)]'; \
	rm -f .venv/.installed-*; touch "$(STAMP)"; }

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
