#!/usr/bin/env bash
# Resolves the package with all its extras and groups to the newest versions, once per Python version, and writes
# constraints/constraints-<version>.txt. Names and versions only: an index or a path of one machine has no place there.
#
#   scripts/constraints.sh [--keep] [PYTHON_VERSION...]
#
# --keep changes only what no longer fits pyproject.toml. Needs uv, and brings its own where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

upgrade=--upgrade
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

groups=()
for group in build dev system docs package; do groups+=(--group "$group"); done

for version in "${versions[@]}"; do
    file=constraints/constraints-$version.txt
    # The result is read back as preferences, so that --keep keeps and two Python versions get the same versions.
    "$uv" pip compile pyproject.toml --all-extras "${groups[@]}" --python-version "$version" $upgrade --quiet \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file "$file"
    if grep -nEv '^[A-Za-z0-9._-]+==[^ /:]+$' "$file"; then
        echo "constraints: $file holds more than names and versions (above)" >&2
        exit 1
    fi
    echo "$file: $(wc -l <"$file") packages"
done
