"""A reader of docs/first-dag.md, who has a checkout and nothing else, and does all that the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_amplifybackend import __version__
from tests.local_project import existing_airflow, is_untouched, page_as_script
from tests.pages import ROOT

pytestmark = pytest.mark.project

CONSTRAINTS = ROOT / "constraints" / f"constraints-{sys.version_info[0]}.{sys.version_info[1]}.txt"


def test_a_reader_who_runs_every_block_of_the_page_in_order_gets_what_it_shows(tmp_path: Path) -> None:
    existing = existing_airflow(tmp_path)
    home = made_home(tmp_path / "home")
    project = home / "first-dag"
    script, run = page_as_script()
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,  # from which the page leads into a folder of its own
        env=surroundings(home) | existing,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    print(f"from a checkout to the last green test: {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    outputs = re.split(r"^@@ \d+ @@$", done.stdout, flags=re.MULTILINE)[1:]
    assert len(outputs) == len(run)
    for command, output in zip(run, outputs, strict=True):
        for line in command.output:
            assert line in output, f"{command.line}: {line!r} is not in {output[-2000:]}"
    installed = {path.name for path in (project / ".venv").glob("lib/*/site-packages/airflow_provider_*.dist-info")}
    assert installed == {f"airflow_provider_amplifybackend-{__version__}.dist-info"}
    assert is_untouched(existing)


def made_home(home: Path) -> Path:
    """A home in which nothing is but what pip has of this machine: its cache and its settings."""
    for name in (".cache", ".config"):
        (home / name).mkdir(parents=True)
        if (Path.home() / name / "pip").exists():
            (home / name / "pip").symlink_to(Path.home() / name / "pip")
    return home


def surroundings(home: Path) -> dict[str, str]:
    """A shell with a `python3`, and with a pip that has our pins."""
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    python = Path(sys.base_prefix) / "bin"
    assert (python / "python3").exists()
    return kept | {
        "HOME": str(home),
        "PATH": f"{python}:{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(CONSTRAINTS),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def build_wheel(folder: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--build-constraint",
            CONSTRAINTS,
            "-qq",
            "-w",
            folder,
            ROOT,
        ],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
