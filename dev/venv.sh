#!/bin/sh
# Set up .venv with the fork, its test tools and those of the documentation, or leave it alone when it is ready.
# PYTHON=... chooses the interpreter; otherwise the first of the names below that is new enough.
set -u
cd "$(dirname "$0")/.." || exit 1
venv=.venv/bin/python
log=build/venv.log

say() { echo "venv: $*" >&2; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

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

# The line of the log that says what went wrong: our own messages first, then pip's.
reason() {
    { grep -E '^ *(gammapy/|the base |dev/upstream|cannot )' "$log" | head -n 1
      grep -E '^ *ERROR: ' "$log" | tail -n 1
      grep -vE '^ *(note:|hint:|×|$)' "$log" | tail -n 1
    } | head -n 1 | sed 's/^ *//' | cut -c 1-300
}

# What the environment is made from: when this changes, it is installed again. An editable
# install knows its folder by the full path, so a checkout that moved is set up again too.
stamp="$(version_of $venv) $PWD $(cat pyproject.toml dev/hatch_build.py | cksum)"
is_ready=no
[ "$(cat .venv/ready 2>/dev/null)" = "$stamp" ] && is_ready=yes
[ $is_ready = yes ] && [ -z "${PYTHON:-}" ] && exit 0

python=$(find_python) || exit 1
held=$(version_of $venv)
if [ -n "${PYTHON:-}" ] && [ -n "$held" ] && [ "$held" != "$(version_of "$python")" ]; then
    say ".venv holds Python $held, not $(version_of "$python"); remove .venv to change"
    exit 1
fi
[ $is_ready = yes ] && exit 0

mkdir -p build
say "setting up .venv with Python ${held:-$(version_of "$python")} (details in $log)"
rm -f .venv/ready
# One that was interrupted, or whose Python is gone, is made again.
if ! $venv -m pip --version >"$log" 2>&1 && ! "$python" -m venv --clear .venv >"$log" 2>&1; then
    say "could not make .venv: $(reason)"
    exit 1
fi
if ! $venv -m pip install --disable-pip-version-check -e ".[test,docs]" >"$log" 2>&1; then
    say "installing failed: $(reason) (details in $log)"
    exit 1
fi
echo "$(version_of $venv) ${stamp#* }" >.venv/ready
