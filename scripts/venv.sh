#!/usr/bin/env bash
# Makes the virtual environment or adds a layer to it, every version taken from the committed constraints.
#
#   scripts/venv.sh VENV PYTHON LAYER
#
# Layers: demo (the package and the local service), dev (demo, tests, linters, types), system, kubernetes, docs and package (on top of dev).
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1
python=$2
layer=$3

if ! minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
    echo "venv: '$python' does not run. Name a Python 3.11, 3.12 or 3.13: make ... PYTHON=python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "venv: '$python' is Python $minor; this package needs 3.11, 3.12 or 3.13: make ... PYTHON=python3.12" >&2
    exit 1
fi

case $layer in
    demo) wanted=(-e '.[local]') ;;
    dev) wanted=(-e '.[local-moto,records,openlineage]' --group dev) ;;
    system | kubernetes | docs | package) wanted=(--group "$layer") ;;
    *)
        echo "venv: unknown layer '$layer'" >&2
        exit 2
        ;;
esac

constraints=constraints/constraints-$minor.txt
pinned=(-c "$constraints")
if [ ! -f "$constraints" ]; then
    have=$(cd constraints && echo constraints-3.*.txt | sed 's/constraints-//g; s/\.txt//g')
    echo "venv: no $constraints (there are: $have). Installing the newest versions instead:" >&2
    echo "venv: pip resolves them itself, which takes minutes, and nobody has tested that set." >&2
    pinned=()
fi

# An environment made by another Python, or for another place on the disk, is no use: its scripts and its editable
# install point elsewhere. What is not an environment is never emptied.
made_for="$PWD $minor"
if [ "$(cat "$venv/.made-for" 2>/dev/null)" != "$made_for" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        echo "venv: '$venv' is not a virtual environment; not touching it" >&2
        exit 1
    fi
    echo "venv: making $venv with Python $minor" >&2
    "$python" -m venv --clear "$venv"
    fresh=yes
fi

echo "venv: installing the $layer layer into $venv" >&2
started=$SECONDS
# pip itself comes first: pips older than 25.1 cannot read dependency groups. The constraints hold for builds too, so that a
# new build back end cannot break an old commit.
if [ -n "${fresh:-}" ]; then
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "${pinned[@]}" --upgrade 'pip>=25.3'
fi
if command -v uv >/dev/null && uv pip install --help 2>/dev/null | grep -q -- '--group'; then
    install=(uv pip install --quiet --python "$venv/bin/python")
else
    install=("$venv/bin/python" -m pip install -qq --disable-pip-version-check)
fi
[ ${#pinned[@]} -eq 0 ] || pinned+=(--build-constraint "$constraints")
"${install[@]}" "${pinned[@]}" "${wanted[@]}"
# Last, so that an interrupted installation starts over.
echo "$made_for" >"$venv/.made-for"
echo "venv: $layer layer ready in $((SECONDS - started)) s" >&2
