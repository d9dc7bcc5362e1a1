#!/usr/bin/env bash
# Resolves the package with all its extras and groups to the newest versions, once per Python version, and writes
# constraints/constraints-<version>.txt. Names and versions only: an index or a path of one machine has no place there.
#
#   scripts/constraints.sh [--keep] [PYTHON_VERSION...]
#   scripts/constraints.sh --matrix
#
# --keep changes only what no longer fits pyproject.toml. --matrix resolves constraints/matrix instead: the sets of
# `make test-matrix` that are not of MWAA. Needs uv, and brings its own where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

upgrade=--upgrade
matrix=
if [ "${1:-}" = --matrix ]; then
    matrix=yes
    shift
fi
if [ "${1:-}" = --keep ]; then
    upgrade=
    shift
fi
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(3.11 3.12 3.13)

uv=uv
if ! command -v uv >/dev/null; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    "${PYTHON:-python3}" -m venv "$scratch"
    "$scratch/bin/python" -m pip install -qq --disable-pip-version-check uv
    uv=$scratch/bin/uv
fi

plain=(--quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links)
names_and_versions_only() {
    if grep -nEv '^[A-Za-z0-9._-]+==[^ /:]+$' "$1"; then
        echo "constraints: $1 holds more than names and versions (above)" >&2
        exit 1
    fi
    echo "$1: $(wc -l <"$1") packages"
}

# A set is of a time: what came later was never tried with that Airflow, and much of it does not work there. These dates
# are a week after the newest of what is named, and move only with the bounds in pyproject.toml.
if [ -n "$matrix" ]; then
    extras=(--extra local-moto --extra records --extra openlineage)
    file=constraints/matrix/airflow-3.1-constraints.txt
    echo 'apache-airflow==3.1.*' | "$uv" pip compile pyproject.toml "${extras[@]}" --constraint - --python-version 3.12 --upgrade \
        --exclude-newer 2026-03-15 "${plain[@]}" --output-file "$file"
    names_and_versions_only "$file"
    file=constraints/matrix/minimum-constraints.txt
    "$uv" pip compile pyproject.toml "${extras[@]}" --resolution lowest-direct --python-version 3.11 --upgrade \
        --exclude-newer 2025-09-01 "${plain[@]}" --output-file "$file"
    names_and_versions_only "$file"
    exit
fi

groups=()
for group in build dev system kubernetes docs package; do groups+=(--group "$group"); done

for version in "${versions[@]}"; do
    file=constraints/constraints-$version.txt
    # The result is read back as preferences, so that --keep keeps and two Python versions get the same versions.
    "$uv" pip compile pyproject.toml --all-extras "${groups[@]}" --python-version "$version" $upgrade \
        "${plain[@]}" --output-file "$file"
    names_and_versions_only "$file"
done
