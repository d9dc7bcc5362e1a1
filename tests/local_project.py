"""The project of docs/local.md: the files that a reader copies, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "dags/rehearsal.py", "tests/conftest.py", "tests/test_rehearsal.py")


def write_project(folder: Path) -> Path:
    """Copy the project's files from the page into `folder`, and return it."""
    page = (ROOT / "docs" / "local.md").read_text(encoding="utf-8")
    for name in FILES:
        # The block that follows the line with the file's name.
        (text,) = re.findall(rf"^`{re.escape(name)}`[^\n]*:\n\n```\w+\n(.*?)```", page, re.DOTALL | re.MULTILINE)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def existing_airflow(folder: Path) -> dict[str, str]:
    """A developer's own Airflow and AWS, as their shell names them: nothing may be read or written there."""
    home = folder / "existing"
    home.mkdir()
    (home / "airflow.cfg").write_text("[core]\ndags_folder = /nowhere\n")
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }


def is_untouched(existing: dict[str, str]) -> bool:
    home = Path(existing["AIRFLOW_HOME"])
    return [path.name for path in home.iterdir()] == ["airflow.cfg"]


def run_pytest(
    python: str, folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project with an interpreter, and with no variables but these and what a process needs."""
    needed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=needed | {"PYTHONDONTWRITEBYTECODE": "1"} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
