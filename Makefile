# make run           serve the web chat (and Discord and Telegram, with their tokens in .env)
# make run ARGS=chat talk in the terminal
# make test          the whole suite, offline, on the CPU
# make check         linter and types
# make audio         what `ingest audio` needs beside ffmpeg: Whisper and the default diarizer

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?= run

.PHONY: run test check audio clean

run: $(VENV)/.installed
	@$(BIN)/understudy $(ARGS)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audio: $(VENV)/.installed-audio

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python3." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (some minutes the first time) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Resemblyzer asks for a package that must be compiled; the extra has the same one ready-made.
$(VENV)/.installed-audio: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[audio]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps resemblyzer
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
