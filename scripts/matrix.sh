#!/usr/bin/env bash
# Runs tests on the Airflow versions that MWAA offers, each in its own environment from MWAA's own constraints.
#
# Settings (environment):
#   MATRIX         the Airflow versions; default: every set in constraints/mwaa
#   MATRIX_TESTS   what pytest runs, "" to install only; default: the suites that touch Airflow
#   MATRIX_VENVS   where the environments live; default: .venvs
#   JOBS           processes that each set's tests are shared among; default: 2; 0: pytest's own, for a debugger
#   ARGS           handed on to pytest
#   PYTHON312      the Python to use; default: a 3.12, which is MWAA's, and where there is none a 3.11
#
# Each row of the table that ends the output names the Python that it ran on, and how many tests passed and were skipped;
# the reasons stand above it. A set that cannot be installed is "not run".
set -euo pipefail
cd "$(dirname "$0")/.."

# The interpreters that may be here, the most suitable first: on the PATH, of pyenv, of uv. Each is run before it is
# believed, because a version manager's shim can exist and refuse. No package registry offers one to install.
candidates() {
    for minor in 3.12 3.11; do
        echo "python$minor"
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$minor".*/bin/python 2>/dev/null | sort -V || true
        if command -v uv >/dev/null; then uv python find --no-python-downloads "$minor" 2>/dev/null || true; fi
    done
}
minor_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

python=${PYTHON312:-}
if [ -z "$python" ]; then
    while read -r candidate; do
        case $(minor_of "$candidate") in 3.11 | 3.12) python=$candidate && break ;; esac
    done < <(candidates)
fi
minor=$(minor_of "$python" || true)
case $minor in
    3.12) ;;
    3.11) echo "matrix: no Python 3.12, which is what MWAA runs, so Python 3.11" >&2 ;;
    *)
        echo "matrix: no Python 3.12 and no 3.11 (PYTHON312='${PYTHON312:-}'): make test-matrix PYTHON312=/path/to/python3.12" >&2
        printf '\nAirflow %-8s not run: no Python 3.12 or 3.11\n' all
        exit 1
        ;;
esac
venvs=${MATRIX_VENVS:-.venvs}
read -ra versions <<<"${MATRIX:-$(ls constraints/mwaa | sed -nE 's/^airflow-(.*)-constraints\.txt$/\1/p' | sort -V | xargs)}"
if [ -n "${MATRIX_TESTS+given}" ]; then
    read -ra tests <<<"$MATRIX_TESTS"
else
    # The suites that touch Airflow. The local service does not: the main run has it.
    tests=()
    for suite in compat example_dags guard hooks notifications operators sensors task_groups triggers; do
        if [ -d "tests/$suite" ]; then tests+=("tests/$suite"); fi
    done
    if [ ${#tests[@]} -eq 0 ]; then
        echo "matrix: none of its suites is in tests/" >&2
        exit 1
    fi
fi

# MWAA's pins, except for the test tools: no MWAA environment has those, and all sets should be judged by the same ones.
# What MWAA does not pin is pinned as in our own set, but for Airflow's own parts, which follow the Airflow version.
tools='^(pytest|iniconfig|hypothesis|moto|py-partiql-parser|responses|pip)=='
merge() {
    local mwaa=$1
    awk -v tools="$tools" '
        function name(pin) { sub(/==.*/, "", pin); pin = tolower(pin); gsub(/[-_.]+/, "-", pin); return pin }
        NR == FNR { if (tolower($0) !~ tools) { theirs[name($0)] = 1; print }; next }
        !(name($0) in theirs) && !/^apache-airflow/
    ' "$mwaa" "constraints/constraints-$minor.txt"
}

extras=local-moto,records
# An environment is made again when its pins or what pyproject.toml asks for change, not when a linter's settings do.
needs=$("$python" -c '
import tomllib
settings = tomllib.load(open("pyproject.toml", "rb"))
print(settings["project"], settings["dependency-groups"])')

# As in pyproject.toml, but with the tests that are there for this run.
marked="not system and not crash and not faults and not js and not project and not guard"

make_environment() {
    local venv=$1 version=$2 pins=$3
    "$python" -m venv --clear "$venv" || return
    echo "$pins" >"$venv/constraints.txt"
    local install=("$venv/bin/python" -m pip install -qq --disable-pip-version-check -c "$venv/constraints.txt")
    "${install[@]}" --upgrade pip || return
    # Airflow is named, because MWAA's constraints do not pin it.
    "${install[@]}" "apache-airflow==$version" -e ".[$extras]" --group test
}

read -ra arguments <<<"${ARGS:-}"
# A file's tests share fixtures that take seconds, so a file stays together.
arguments=(-q -n "${JOBS:-2}" --dist loadfile -m "$marked" "${arguments[@]}")

declare -A outcome
failed=0
for version in "${versions[@]}"; do
    mwaa=constraints/mwaa/airflow-$version-constraints.txt
    if [ ! -f "$mwaa" ]; then
        echo "matrix: there is no $mwaa" >&2
        exit 1
    fi
    venv=$venvs/mwaa-$version
    pins=$(merge "$mwaa")
    made_for=$(printf '%s\n' "$PWD $version $minor $extras" "$pins" "$needs" | git hash-object --stdin)
    if [ "$(cat "$venv/.made-for" 2>/dev/null)" != "$made_for" ]; then
        echo "matrix: making $venv" >&2
        started=$SECONDS
        if ! make_environment "$venv" "$version" "$pins"; then
            outcome[$version]="not run: its packages cannot be installed on Python $minor (above)"
            failed=1
            continue
        fi
        echo "$made_for" >"$venv/.made-for"
        echo "matrix: $venv ready in $((SECONDS - started)) s" >&2
    fi
    if [ ${#tests[@]} -eq 0 ]; then
        outcome[$version]="installed"
        continue
    fi
    echo "matrix: Airflow $version: pytest ${tests[*]}" >&2
    home=$(mktemp -d)
    if AIRFLOW_HOME=$home "$venv/bin/python" -m pytest "${arguments[@]}" "${tests[@]}" | tee "$home/said"; then
        outcome[$version]=$(tail -n 1 "$home/said") # 1402 passed, 2 skipped in ...
    else
        outcome[$version]="FAILED: $(tail -n 1 "$home/said")"
        failed=1
    fi
    rm -rf "$home"
done

echo
for version in "${versions[@]}"; do printf 'Airflow %-8s Python %s  %s\n' "$version" "$minor" "${outcome[$version]}"; done
exit $failed
