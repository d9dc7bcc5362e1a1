#!/usr/bin/env bash
# Prints the interpreter that the Makefile uses unless PYTHON is given: the first that has committed constraints, else
# the first that is new enough. Each candidate is run, because a version manager's shim can exist and still refuse.
set -euo pipefail
cd "$(dirname "$0")/.."

newer=
for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
    minor=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if [ -f "constraints/constraints-$minor.txt" ]; then
        echo "$candidate"
        exit 0
    fi
    if [ -z "$newer" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        newer=$candidate
    fi
done
# With nothing suitable, python3 goes on to scripts/venv.sh, which says what is missing.
echo "${newer:-python3}"
