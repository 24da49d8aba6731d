# `make help` lists the targets. Each is safe to run twice.
PY = .venv/bin/python
# The fork's own tests: every test file of the overlay, where the merge put it.
TESTS = dev/tests examples/tests $(addprefix build/merged/,$(shell find gammapy -name 'test_*.py'))
# They run the code of pages of the user guide; `make docs` compares what these quote.
PAGES = $(wildcard docs/user-guide/make_*_pictures.py)
TEST_ENV = MPLBACKEND=agg OMP_NUM_THREADS=1

.DEFAULT_GOAL = help
.PHONY: help venv merge demo docs test test-slow test-upstream upstream bench lint format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

venv: ## set up .venv (Python >= 3.11; PYTHON=... chooses one)
	@dev/venv.sh

merge: venv ## merge the overlay into the base again
	@$(PY) dev/overlay.py merge

demo: merge ## run the HESS J1702-420 analysis and print where the results are
	@$(PY) examples/hess_j1702.py

docs: merge ## build the documentation and print where it is; warnings are errors
	@$(TEST_ENV) $(PY) dev/check_docs.py
	@rm -rf build/docs build/extra
	@$(TEST_ENV) $(PY) docs/make_reports.py build/extra/reports
	@$(TEST_ENV) $(PY) -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs
	@$(PY) dev/check_site.py
	@for page in $(PAGES); do $(TEST_ENV) $(PY) $$page --check || exit 1; done
	@echo "documentation: build/docs/index.html"

test: merge ## run the fork's own tests
	@$(TEST_ENV) $(PY) -m pytest -n 2 -m "not long" $(TESTS)

test-slow: merge ## run the statistical and long tests too
	@$(TEST_ENV) $(PY) -m pytest -n 2 $(TESTS)

test-upstream: merge ## run Gammapy 2.1's own tests of the touched subpackages on the fork
	@$(TEST_ENV) $(PY) dev/test_upstream.py -n 2

upstream: merge ## prove the topics on Gammapy 2.1, and on a checkout: CHECKOUT=..., TOPIC=... (an hour)
	@$(TEST_ENV) $(PY) dev/upstream.py $(if $(CHECKOUT),--checkout $(CHECKOUT)) $(if $(PYTHON),--python $(PYTHON)) $(if $(TOPIC),--topic $(TOPIC))

bench: merge ## measure time and memory against Gammapy 2.1; write the tables of docs (an hour)
	@$(TEST_ENV) $(PY) dev/bench/speed.py
	@$(TEST_ENV) $(PY) dev/bench/norms.py --plot --docs
	@$(TEST_ENV) $(PY) dev/bench/shapes.py --docs
	@$(TEST_ENV) $(PY) dev/bench/story.py
	@$(TEST_ENV) $(PY) dev/bench/crab.py --docs
	@$(TEST_ENV) $(PY) dev/bench/diagnostics.py --docs
	@$(TEST_ENV) $(PY) dev/bench/tail_table.py --docs

lint: merge ## check style, spelling and the overlay
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m codespell_lib .
	@$(PY) dev/check_english.py
	@$(PY) dev/overlay.py check
	@$(PY) -m ruff check --quiet --isolated --select F821 build/merged/gammapy

format: venv ## format the code
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean: ## remove what the other targets made
	rm -rf .venv build dist output docs/api docs/tutorials
