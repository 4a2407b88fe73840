# Everything happens in .venv, made here from the lock files: only Python 3.11 or newer, make and a network are needed.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
PIP := .venv/bin/python -m pip --disable-pip-version-check
LOCK := .venv/lock/bin/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' -q
WEB := gateway/static/graphiql/.built
WEB_SOURCES := $(wildcard web/package-lock.json web/.npmrc web/*.mjs web/*.json) \
	$(shell find web -path web/node_modules -prune -o -type f -name '*.*' -print 2>/dev/null | grep -v ' ')

# Two processes run the tests, a file in one of them; a failing one is best run again alone, without these.
TWO := -n 2 --dist loadfile

.PHONY: demo test test-live check schema fuzz bench bench-peers soak chaos lock web
export HOST PORT

demo: .venv/.run ; -@$(MAKE) --no-print-directory web
	@exec .venv/bin/aftersale demo
test: .venv/.dev web ; .venv/bin/python -m pytest $(TWO)
# A real Medusa with PostgreSQL on loopback; needs Node.js 20, and root or an installed PostgreSQL. Not part of `check`.
test-live: .venv/.dev ; .venv/bin/python tests/live/medusa/run.py
check: .venv/.dev web
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports && .venv/bin/python -m pytest $(TWO)
schema: .venv/.run
	.venv/bin/aftersale schema > schema/schema.graphql.new && mv schema/schema.graphql.new schema/schema.graphql
	.venv/bin/aftersale documents build gateway/operations -o gateway/operations/documents.json
	@if command -v npm >/dev/null; then cd tests/protocol && npm ci --no-audit --no-fund && npm run --silent types; \
	else echo 'npm was not found: schema/possibleTypes.json and schema/schema.ts stay as they were.'; fi
# Many more cases of what `make test` tries a few of.
fuzz: .venv/.dev ; AFTERSALE_FUZZ=1000 .venv/bin/python -m pytest tests/protocol/test_fuzz.py tests/protocol/test_validation.py tests/execution
# LOAD=10: instead, ten minutes of ordinary queries among hostile ones.
bench: .venv/.dev ; .venv/bin/python -m benchmarks $(if $(LOAD),--load $(LOAD))
# Whether memory stays flat over a million requests. REQUESTS=50000: over so many. Not part of `check`.
soak: .venv/.dev ; .venv/bin/python -m benchmarks.soak $(if $(REQUESTS),--requests $(REQUESTS))
# MINUTES=1: for so long; ten where it is left out. Needs PostgreSQL; not part of `check`.
chaos: .venv/.dev ; .venv/bin/python -m benchmarks.chaos $(if $(MINUTES),--minutes $(MINUTES))
# The gateway beside what else could answer the same question, into benchmarks/RESULTS.md (until all is done, into
# RESULTS.part.md beside it); Node.js 20 needed, and some 40 minutes. QUICK=1: a few, to try it; then nothing is written.
bench-peers: .venv/.dev
	cd benchmarks/peers && npm ci --silent --no-audit --no-fund && cd hive && npm ci --silent --no-audit --no-fund
	.venv/bin/python -m benchmarks.peers $(if $(QUICK),--quick)
web: $(WEB)

# A stamp for each lock file: a second run has nothing to install.
.venv/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	$(PIP) install -q --require-hashes -r requirements.lock
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@
.venv/.dev: requirements-dev.lock .venv/.run
	$(PIP) install -q --require-hashes -r requirements-dev.lock
	@touch $@

# Without Node the API still runs, and its page says what to install.
$(WEB): $(WEB_SOURCES)
	@if command -v npm >/dev/null; then cd web && npm ci --no-audit --no-fund && npm run build && touch ../$@; \
	else echo 'npm was not found: going on without the GraphiQL page.'; fi

lock:
	test -x .venv/lock/bin/uv || ($(PYTHON) -m venv .venv/lock && .venv/lock/bin/python -m pip install -q 'uv>=0.9')
	$(LOCK) -o requirements.lock && $(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock
