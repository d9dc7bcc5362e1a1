"""The tables of what works on which Airflow say yes where the conditions of `_compat.py` hold, and nowhere else."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from airflow_provider_amplifybackend import _compat
from airflow_provider_amplifybackend.get_provider_info import get_provider_info
from airflow_provider_amplifybackend.plugins.amplify_backends import FLEET, JOB
from tests.docs.conftest import ROOT

TABLES = {"installation.md": "## What needs which Airflow", "mwaa.md": "## What works on which version"}
# A row by how its first cell begins, without links and code, and the condition of what it is about.
CONDITIONS = {
    "a job is started once": "HAS_STATE_STORE",
    "asset events": "HAS_ASSETS",
    f'page "{FLEET["name"]}"': "HAS_PLUGIN_PAGES",
    f'tab "{JOB["name"]}"': "HAS_PLUGIN_PAGES",
}
EVERYWHERE = ("operators, sensors", "environment names instead of map indexes", "OpenLineage")


def rows(page: str) -> dict[str, dict[tuple[int, ...], str]]:
    """Return the cells of a page's table, by the text of the first one and by the series of Airflow."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(TABLES[page])[2].partition("\n## ")[0]
    head, _, *lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    series = [tuple(map(int, version.split(".")[:2])) for version in head]
    found = {}
    for first, *cells in lines:
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", first).replace("`", "")
        assert len(cells) == len(series), first
        found[plain] = dict(zip(series, cells, strict=True))
    return found


def row(page: str, words: str) -> dict[tuple[int, ...], str]:
    (found,) = (cells for first, cells in rows(page).items() if words in first)
    return found


def holds(name: str, series: tuple[int, ...]) -> bool:
    """Return what a name of `_compat.py` would be on another series of Airflow."""
    for node in ast.parse(inspect.getsource(_compat)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return bool(eval(ast.unparse(node.value), {"SERIES": series}))
    raise AssertionError(name)


def test_a_condition_on_this_airflow_is_what_the_package_goes_by() -> None:
    for name in CONDITIONS.values():
        assert holds(name, _compat.SERIES) is getattr(_compat, name)


@pytest.mark.parametrize("page", TABLES)
@pytest.mark.parametrize("words", CONDITIONS)
def test_a_row_says_yes_where_its_condition_holds(page: str, words: str) -> None:
    for series, cell in row(page, words).items():
        assert cell.startswith("yes") is holds(CONDITIONS[words], series), (series, cell)


@pytest.mark.parametrize("page", TABLES)
@pytest.mark.parametrize("words", EVERYWHERE)
def test_what_every_airflow_has_is_a_yes_everywhere(page: str, words: str) -> None:
    assert set(row(page, words).values()) == {"yes"}


def test_the_place_of_the_inventory_on_mwaa_is_a_setting_that_there_is() -> None:
    text = (ROOT / "docs" / "mwaa.md").read_text(encoding="utf-8")
    options = set(re.findall(r"`amplifybackend\.(\w+)`", text))
    assert {"inventory", "protected"} <= options <= set(get_provider_info()["config"]["amplifybackend"]["options"])
