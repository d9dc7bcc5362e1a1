"""The requirements.txt of each Airflow version of MWAA, as docs/mwaa.md has them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "mwaa.md"
CONSTRAINTS = ROOT / "constraints" / "mwaa"
PLUGINS, DAGS = "/usr/local/airflow/plugins", "/usr/local/airflow/dags"


def requirements() -> dict[str, str]:
    """The files by version."""
    blocks = re.findall(
        r"^Airflow ([\d.]+):\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return dict(blocks)


def versions() -> list[str]:
    """The versions that there are constraints of."""
    return sorted(path.name.split("-")[1] for path in CONSTRAINTS.glob("airflow-*-constraints.txt"))


def pins(version: str) -> dict[str, str]:
    """What AWS pins, by normal name."""
    lines = (CONSTRAINTS / f"airflow-{version}-constraints.txt").read_text().splitlines()
    pairs = [line.split("==", 1) for line in lines if "==" in line]
    return {re.sub(r"[-_.]+", "-", name).lower(): pin.strip() for name, pin in pairs}


def table() -> dict[str, list[str]]:
    """The rows of the page's table of versions by their first cell."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in rows}
