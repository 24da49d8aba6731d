#!/bin/sh
# Set up .venv with the fork and its test tools, or leave it alone when it is ready.
# PYTHON=... chooses the interpreter; otherwise the first of the names below that is new enough.
set -u
cd "$(dirname "$0")/.." || exit 1

say() { echo "venv: $*" >&2; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" && { echo "$PYTHON"; return; }
        say "PYTHON=$PYTHON is not a working Python >= 3.11 ($("$PYTHON" --version 2>&1 | head -n 1))"
        return 1
    fi
    for name in python3 python3.13 python3.12 python3.11; do
        new_enough "$name" && { echo "$name"; return; }
    done
    say "no Python >= 3.11 found (python3 is $(python3 --version 2>&1 | head -n 1)); install one or set PYTHON=..."
    return 1
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

python=$(find_python) || exit 1
if [ -x .venv/bin/python ]; then
    if [ -n "${PYTHON:-}" ] && [ "$(version_of .venv/bin/python)" != "$(version_of "$python")" ]; then
        say ".venv holds Python $(version_of .venv/bin/python), not $(version_of "$python"); remove .venv to change"
        exit 1
    fi
    python=.venv/bin/python
fi

# What the environment is made from: when this changes, it is installed again.
stamp="$(version_of "$python") $(cat pyproject.toml dev/hatch_build.py | cksum)"
[ "$(cat .venv/ready 2>/dev/null)" = "$stamp" ] && exit 0

log=build/venv.log
mkdir -p build
say "setting up .venv with Python $(version_of "$python") (details in $log)"
if [ "$python" != .venv/bin/python ] && ! "$python" -m venv .venv >"$log" 2>&1; then
    say "could not make .venv: $(tail -n 1 "$log")"
    exit 1
fi
rm -f .venv/ready
if ! .venv/bin/python -m pip install --disable-pip-version-check -e ".[test]" >"$log" 2>&1; then
    say "installing failed: $(grep -E '^(gammapy/|.*[Ee][Rr][Rr][Oo][Rr]|.*Could not|.*No matching)' "$log" | tail -n 1 | cut -c 1-300) (details in $log)"
    exit 1
fi
echo "$stamp" >.venv/ready
