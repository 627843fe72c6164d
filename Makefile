# make run    set up what is missing and open the viewer on the demo study (without a display: annotate it, save a picture)
# make test   set up likewise and run all checks
.PHONY: run test lint bench slow translations install uninstall installer-linux installer-try clean help
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# A process for each core, at most 8; a file's tests stay together, since its fixtures train and unpack, and the files
# in their order, since the longest tests are in the first. A process that crashes ends the run: xdist would wait for its
# tests for ever. `make test PARALLEL=` runs them one after another.
PARALLEL ?= -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run:
	@sh installers/setup.sh run
	@sh installers/demo.sh

test:
	@sh installers/setup.sh dev
	@$(MAKE) --no-print-directory lint
	@$(BIN)/pytest $(PARALLEL)

# Style, types and import directions.
lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make translations   put new texts into the translators' files, and make what the program reads
translations:
	@sh installers/setup.sh dev
	QT_QPA_PLATFORM=offscreen PYTHONPATH=.:tests $(BIN)/python tests/gui/visible_texts.py

# make slow   the tests that take minutes
slow:
	@sh installers/setup.sh dev
	$(BIN)/pytest -m slow --timeout 1800

# make bench  prints measured figures: start, opening, scrolling, inference
bench:
	@sh installers/setup.sh dev
	$(BIN)/pytest -m bench -s --timeout 1800 tests/bench

# make install    desktop entry, icon and file types in ~/.local (or PREFIX=…); make uninstall takes them away again
install:
	@sh installers/linux/install.sh

uninstall:
	@sh installers/linux/install.sh --uninstall

# make installer-linux   the frozen program from the wheel, as a tarball and a .deb in dist/, with SBOM and checksums
installer-linux:
	@sh installers/linux/package.sh

# make installer-try     installs those in a clean Debian, tries, drives and removes them (root; needs mmdebstrap, Xvfb)
installer-try:
	@sh installers/linux/clean_root.sh $(SERIES)

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
