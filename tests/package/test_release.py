"""scripts/release.py writes the notes of a release, and says what it lacks."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from airflow_provider_amplifybackend import __version__
from scripts import release
from tests.pages import ROOT

pytestmark = pytest.mark.package


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As much of the repository as a release changes, and one change in it."""
    for name in ("CHANGELOG.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "airflow_provider_amplifybackend").mkdir()
    shutil.copy(ROOT / "airflow_provider_amplifybackend" / "__init__.py", tmp_path / "airflow_provider_amplifybackend")
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "+dates.feature.md").write_text("A lease takes a date.\n")
    return tmp_path


def test_a_release_wants_its_version_its_notes_and_no_placeholder(repository: Path) -> None:
    (repository / "pyproject.toml").write_text('[project.urls]\nSource = "https://source.example/x"\n')
    (repository / "docs").mkdir()
    (repository / "docs" / "mwaa.md").write_text(
        f"`airflow-provider-amplifybackend[records]==0.0.9`, airflow_provider_amplifybackend-{__version__}-py3.whl"
    )
    found = [*release.problems(repository, "v9.9.9")]
    assert found[0].startswith("pyproject.toml: has a placeholder")
    assert found[1].startswith(f"the tag is v9.9.9, and the version {__version__}")
    assert found[2] == "docs/mwaa.md: names version 0.0.9 of this package"
    assert [text.partition(" ")[0] for text in found[3:]] == ["CHANGELOG.md", "changelog.d/+dates.feature.md"]


def test_the_notes_of_a_release_have_each_change_and_lose_nothing(repository: Path) -> None:
    before = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    release.write_notes(repository)
    after = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)$", after, re.MULTILINE)
    assert "- A lease takes a date." in after
    heading = f"## {__version__} (unreleased)"
    assert heading not in after
    assert {line for line in before.splitlines() if line != heading} <= set(after.splitlines())
    assert not release.fragments(repository)
    assert [*release.problems_of_tag(repository, f"v{__version__}")] == []
