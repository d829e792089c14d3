# Every target makes the virtual environment it needs; a second run installs nothing.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: demo test faults crashes postgres browser lint types bench fuzz clean

demo: $(INSTALLED)
	$(VENV)/bin/tuner run search_spaces/digits_cnn.yaml --name digits_cnn_$$(date +%Y%m%d_%H%M%S)

test: $(INSTALLED)
	$(VENV)/bin/pytest -m "not gpu and not browser and not data and not postgres and not faults"

postgres: $(INSTALLED)
	$(VENV)/bin/pytest -m "postgres and not faults" tests/search tests/execution

# With what `make test` runs of them. One at a time: several are no faster, because each start of Ray keeps the
# cores busy.
faults: $(INSTALLED)
	$(VENV)/bin/pytest tests/faults

# What `make test` leaves out: the same at many more places.
crashes: $(INSTALLED)
	$(VENV)/bin/pytest --timeout 900 -m faults --ignore tests/faults

# The dashboard's page in a real browser.
browser: $(INSTALLED)
	command -v chromium > /dev/null || (apt-get update && apt-get install -y chromium)
	$(VENV)/bin/python -m pip install -c constraints.txt -e '.[browser]'
	$(VENV)/bin/pytest -m browser tests/dashboard_page

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(INSTALLED)
	$(VENV)/bin/mypy

bench: $(INSTALLED)
	$(VENV)/bin/python benchmarks/turnaround.py
	$(VENV)/bin/python benchmarks/idle.py
	$(VENV)/bin/python benchmarks/loop.py
	$(VENV)/bin/python benchmarks/checkpoints.py
	$(VENV)/bin/python benchmarks/ask.py
	$(VENV)/bin/python benchmarks/leaks.py
	$(VENV)/bin/python benchmarks/soak.py

fuzz: $(INSTALLED)
	$(VENV)/bin/python tests/fuzz/experiments.py

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -c constraints.txt -e '.[dev]'
	touch $@

# Leaves results/ alone: experiments are yours to delete.
clean:
	rm -rf $(VENV) build dist tuner.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
