"""Where there is no browser its tests are skipped, with the reason; where CI has seen to one, they fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ROOT

TEST = """
from tests.browser import needs_browser, running_browser

@needs_browser
def test_something():
    with running_browser():
        pass
"""


@pytest.mark.parametrize(
    ("required", "status", "shown"),
    [("", 0, "no Chromium is installed"), ("yes", 1, "no Chromium is installed, and BROWSER_REQUIRED is set")],
)
def test_without_a_browser(required: str, status: int, shown: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rsf", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "PYTHONPATH": str(ROOT), "BROWSER_REQUIRED": required},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert shown in done.stdout
