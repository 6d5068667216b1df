#!/bin/sh
# Make the virtual environment named by $1 and install the project in it, editable, with its [dev] extras at the
# versions of the file $2. Called by the Makefile, only when that file or pyproject.toml is newer than the last set-up.
set -eu

venv=${1:?usage: tools/venv.sh DIRECTORY CONSTRAINTS}
constraints=${2:?usage: tools/venv.sh DIRECTORY CONSTRAINTS}

# A command may be on PATH and still not run (a pyenv shim, for one), so each candidate is tried.
find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo "initium needs Python 3.11 or newer with the venv module; tried: ${PYTHON:-python3 python3.13 python3.12 python3.11 python}." >&2
    echo "Install one (on Debian and Ubuntu: apt install python3 python3-venv), or name yours: make PYTHON=/path/to/python3" >&2
    exit 1
}

started=$(date +%s)
if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "updating $venv: pyproject.toml or $constraints changed"
else
    python=$(find_python)
    echo "setting up $venv with $("$python" --version) (once, takes a few minutes: PyTorch is a large download)"
    "$python" -m venv --clear "$venv"
fi

# PIP_USER of the caller's would refuse a virtual environment. Modules are compiled when first imported: most never are.
PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$venv/bin/python" -m pip install --quiet --no-compile --constraint "$constraints" --editable '.[dev]'
echo "$venv is ready ($(($(date +%s) - started)) s)"
