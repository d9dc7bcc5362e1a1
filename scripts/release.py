"""What a release needs: what must be filled in before the first one, and the changelog of the next.

python scripts/release.py check [TAG]    exits with 1 if something is missing; TAG is to be the version, as in v1.2.3
python scripts/release.py notes          moves the files of changelog.d into CHANGELOG.md, under the version
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A top-level domain that leads nowhere (RFC 2606): docs/release.md lists the files.
PLACEHOLDER = re.compile(r"https://\w+\.example/")
# A pin or a wheel's name with the version of this package in it, as the documentation tells people to copy it.
NAMED = re.compile(r"airflow[-_]provider[-_]amplifybackend(?:\[[\w,-]+\])?(?:==|-)(\d+(?:\.\w+)+)")
# Its versions are examples.
NO_PINS = "docs/release.md"
FILES = ("pyproject.toml", "SECURITY.md", "CODE_OF_CONDUCT.md", "NOTICE", ".github/**/*")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["check", "notes"])
    parser.add_argument("tag", nargs="?", default="", help="of the release, as in v1.2.3")
    options = parser.parse_args()
    if options.step == "notes":
        write_notes(ROOT)
        return 0
    found = [*problems(ROOT, options.tag)]
    print("\n".join(found) or "release: nothing is missing", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


def problems(root: Path, tag: str = "") -> Iterator[str]:
    """Yield what stands in the way of a release."""
    for name in with_placeholders(root):
        yield f"{name}: has a placeholder; docs/release.md says what belongs there"
    if tag:
        yield from problems_of_tag(root, tag)


def problems_of_tag(root: Path, tag: str) -> Iterator[str]:
    if tag != f"v{version(root)}":
        yield f"the tag is {tag}, and the version {version(root)} (airflow_provider_amplifybackend/__init__.py)"
    for name, other in other_versions(root):
        yield f"{name}: names version {other} of this package"
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version(root))} \(\d{{4}}-\d\d-\d\d\)$", changes, re.MULTILINE):
        yield f"CHANGELOG.md has no section `## {version(root)} (DATE)`: run `make changelog-release`"
    for path in fragments(root):
        yield f"{path.relative_to(root)} is not in CHANGELOG.md: run `make changelog-release`"


def with_placeholders(root: Path) -> list[str]:
    """Return the files that have a placeholder."""
    paths = sorted(path for pattern in FILES for path in root.glob(pattern) if path.is_file())
    return [str(path.relative_to(root)) for path in paths if PLACEHOLDER.search(path.read_text(encoding="utf-8"))]


def other_versions(root: Path) -> list[tuple[str, str]]:
    """Return the pages that name another version of this package than this one, with it."""
    pages = sorted({*root.glob("*.md"), *root.glob("docs/*.md")} - {root / NO_PINS, root / "CHANGELOG.md"})
    found = ((page, number) for page in pages for number in NAMED.findall(page.read_text(encoding="utf-8")))
    return [(str(page.relative_to(root)), number) for page, number in found if number != version(root)]


def version(root: Path) -> str:
    text = (root / "airflow_provider_amplifybackend" / "__init__.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return str(found)


def fragments(root: Path) -> list[Path]:
    return sorted(path for path in (root / "changelog.d").glob("*.md") if path.name != "README.md")


def write_notes(root: Path) -> None:
    """Write the section of the version, from changelog.d, and let what was written before by hand go on below it."""
    number = version(root)
    subprocess.run([sys.executable, "-m", "towncrier", "build", "--yes", "--version", number], cwd=root, check=True)
    path = root / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"\n## {number} (unreleased)\n", ""), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
