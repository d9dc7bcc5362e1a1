"""The results of `make test-matrix`: docs/matrix-results.json, and the table in docs/installation.md made of it.

python -m scripts.matrix_results    writes the table anew
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "matrix-results.json"
PAGE = ROOT / "docs" / "installation.md"
BEGIN = "<!-- matrix: made by scripts/matrix_results.py from matrix-results.json -->"
END = "<!-- matrix: end -->"
HEAD = """\
| session | Python | Airflow | amazon | botocore | aiobotocore | suites | result | on |
|---|---|---|---|---|---|---|---|---|
"""
VERSIONS = ("python", "airflow", "amazon", "botocore", "aiobotocore")

Result = dict[str, Any]


def load(path: Path) -> list[Result]:
    """Return the results in a file; none if there is no file."""
    found: list[Result] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def record(results: list[Result], new: Result, order: list[str]) -> list[Result]:
    """Return the results with a new one in its place: each session has one for each form, all suites or the short ones.

    A session that was not run takes nothing away from one that was.

    :param order: The names of all sessions; a result of any other is dropped.
    """
    of_session = [each for each in results if each["session"] == new["session"]]
    if "passed" in new:
        kept = [each for each in of_session if "passed" in each and each["suites"] != new["suites"]]
    elif any("passed" in each for each in of_session):
        return results
    else:
        kept = []
    known = [each for each in results if each["session"] in order and each not in of_session]
    return sorted([*known, *kept, new], key=lambda each: (order.index(each["session"]), each["suites"] == "short"))


def table(results: list[Result]) -> str:
    return HEAD + "".join(f"| {' | '.join(_cells(result))} |\n" for result in results)


def _cells(result: Result) -> list[str]:
    commit = f", {result['commit']}" if result.get("commit") else ""
    return [
        result["session"],
        *(result.get(name) or "" for name in VERSIONS),
        result["suites"],
        outcome(result),
        f"{result['date']}{commit}",
    ]


def outcome(result: Result) -> str:
    """Return what a session came to: counts, or why it was not run."""
    if "passed" not in result:
        return f"not run: {result['why']}"
    counts = ", ".join(f"{result[name]:,} {name}" for name in ("passed", "skipped", "failed"))
    return f"{counts} ({result['note']})" if result.get("note") else counts


def with_table(page: str, results: list[Result]) -> str:
    """Return a page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(results)}\n{END}{after}"


def write(results: list[Result], path: Path, page: Path) -> None:
    """Write the results and the table of them."""
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    page.write_text(with_table(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def commit() -> str:
    """Return the short hash of what is checked out, with a `+` if code differs from it; empty without git."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    write(load(RESULTS), RESULTS, PAGE)
