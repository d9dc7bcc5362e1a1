"""docs/architecture.md says where things are, so what it names must be there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.conftest import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGE = ROOT / "airflow_provider_amplifybackend"
# "`start/sending.py` (`Fence`)": a file, and names that stand in it.
NAMED = re.findall(r"`([a-z_/]+\.py)`((?: \((?:`[\w.]+`(?:, )?)+\))?)", PAGE)
QUESTIONS = [line for line in PAGE.splitlines() if re.match(r"\| [A-Z].*\?", line)]


def test_the_table_of_rules_is_drawn_from_the_code() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "architecture.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("file", "names"), sorted(set(NAMED)))
def test_each_file_and_each_name_in_it_is_there(file: str, names: str) -> None:
    path = next((base / file for base in (PACKAGE, ROOT) if (base / file).exists()), None)
    assert path, f"{file} does not exist"
    for name in re.findall(r"`([\w.]+)`", names):
        assert re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", path.read_text()), f"{name} is not in {file}"


def test_twelve_questions_are_answered_in_at_most_two_files_each() -> None:
    assert len(QUESTIONS) == 12
    assert all(1 <= len(re.findall(r"`[a-z_/]+\.py`", question)) <= 2 for question in QUESTIONS)


def test_every_folder_of_the_package_has_its_place() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(re.findall(r"`([a-z_]+)/`", PAGE.split("| Folder |")[1].split("\n\n")[0])) - {
        "service",
        "http",
        "testing",
        "keeping",
    }


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    long = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}
