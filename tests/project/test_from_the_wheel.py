"""The project of docs/local.md as its reader has it: a new environment, the wheel and its extra, and four files."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.local_project import ROOT, existing_airflow, is_untouched, run_pytest, write_project

pytestmark = pytest.mark.project

CONSTRAINTS = ROOT / "constraints" / f"constraints-{sys.version_info[0]}.{sys.version_info[1]}.txt"


def test_a_reader_of_the_documentation_gets_a_green_test(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    wheel = build_wheel(tmp_path)
    pip(python, "install", "-c", str(CONSTRAINTS), f"{wheel}[local]", "pytest")
    existing = existing_airflow(tmp_path)
    project = write_project(tmp_path / "project")
    done = run_pytest(python, project, environment=existing)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "3 passed" in done.stdout
    assert is_untouched(existing)


def build_wheel(folder: Path) -> Path:
    pip(sys.executable, "wheel", "--no-deps", "--build-constraint", str(CONSTRAINTS), "-w", str(folder), str(ROOT))
    (wheel,) = folder.glob("airflow_provider_amplifybackend-*.whl")
    return wheel


def pip(python: str, *arguments: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", *arguments, "-qq", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
