# make all   installs everything into .venv and runs the whole project: corpus, training, benchmark, package
# make test  installs everything into .venv and runs the tests, but those that need a browser
# make test-transformers5  runs the tests of the encoder alone with transformers 5, in an environment of its own
# make test-browser  runs the tests that need Chromium
# make test-gpu  runs the component's tests on the first GPU
# make stress  runs what docs/reliability.md lists, as far as it was not run yet: for hours
# make document  writes the part of docs/project.md that lists the commands of the project
# make dist  builds sdist and wheel, and runs the tests from what is in the sdist
# make lint  runs the linters and the type checker

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ENGINES := $(VENV)/.engines
# spacy-transformers can't be imported beside transformers 5; what encodes and stores does without it.
VENV5 := .venv-transformers5
INSTALLED5 := $(VENV5)/.installed
# Of all the modules that are installed, few are ever imported: those are compiled then.
INSTALL := pip install --quiet --no-compile

# A folder with a copy of the corpus, for machines that can't download it.
MIRROR := $(wildcard ../shared/data)
ifneq ($(MIRROR),)
export POSATTN_DATA ?= $(abspath $(MIRROR))
endif

.PHONY: all install test test-transformers5 test-browser test-gpu stress document dist lint clean

all: install
	$(BIN)/python -m spacy project run all

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml benchmark/setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m $(INSTALL) --constraint constraints.txt --editable ".[dev]" --editable ./benchmark
	touch $@

# `make all` does without them.
$(ENGINES): $(INSTALLED)
	$(BIN)/python -m $(INSTALL) --constraint constraints.txt --editable ".[engines]"
	touch $@

test: $(ENGINES)
	$(BIN)/python -m pytest -m "not browser" --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 10

test-transformers5: $(INSTALLED5)
	PYTHONPATH=. $(VENV5)/bin/python -m pytest tests/test_pieces.py tests/test_storing.py

$(INSTALLED5): constraints-transformers5.txt
	$(PYTHON) -m venv $(VENV5)
	$(VENV5)/bin/python -m $(INSTALL) --constraint $< \
		"transformers>=5,<6" torch numpy safetensors srsly pytest hypothesis
	touch $@

test-browser: install
	$(BIN)/python -m pytest -m browser

test-gpu: install
	$(BIN)/python -m pytest --gpu 0

# It goes on where it was stopped; `python -m stress ROW`, in tests/, runs one row.
stress: $(ENGINES)
	cd tests && $(abspath $(BIN))/python -m stress all

document: install
	$(BIN)/python -m spacy project document --output docs/project.md
	sed -i 's|](project.yml)|](../project.yml)|' docs/project.md

dist: install
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	mkdir dist/unpacked
	tar -xzf dist/*.tar.gz -C dist/unpacked --strip-components 1
	$(MAKE) -C dist/unpacked test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(VENV5) corpus corpora digests features training report packages dist project.lock
	find metrics -type f -not -path 'metrics/gmb/*' -not -path 'metrics/corpora/*' -not -path 'metrics/loop/*' -not -path 'metrics/stress.json' \
		-not -path 'metrics/bulk.json' -delete
