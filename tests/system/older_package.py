"""The package of an older commit, built as a wheel from the history of this checkout, and unpacked into a folder."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints" / f"constraints-{sys.version_info[0]}.{sys.version_info[1]}.txt"


def unpacked_wheel(commit: str, folder: Path) -> Path:
    """Return a folder to put on PYTHONPATH."""
    source, built, package = folder / commit / "source", folder / commit / "wheel", folder / commit / "package"
    source.mkdir(parents=True)
    if commit == "HEAD":  # what lies here, committed or not
        return ROOT
    archive = folder / f"{commit}.tar"
    done = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--output", str(archive), commit], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the history of this checkout has no commit {commit}: {done.stderr.decode()[:200]}")
    with tarfile.open(archive) as content:
        content.extractall(source, filter="data")
    build = ["wheel", "--no-deps", "--build-constraint", str(CONSTRAINTS), "-w", str(built), str(source), "-qq"]
    subprocess.run([sys.executable, "-m", "pip", *build, "--disable-pip-version-check"], check=True, timeout=300)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(package)
    return package
