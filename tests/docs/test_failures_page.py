"""docs/failures.md has the retry policy's whole table, as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_amplifybackend import retries
from tests.docs.conftest import ROOT

PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = {
    **{f"`{reason}`": advice for reason, advice in retries.START_ADVICE.items()},
    **{str(kind): advice for kind, advice in retries.REQUEST_ADVICE.items()},
    **{
        f"`{kind.__name__}`": advice
        for kind, advice in retries.ERROR_ADVICE.items()
        if f"| `{kind.__name__}` |" in PAGE
    },
}
TIMES = {None: "", timedelta(seconds=30): "30 s", timedelta(minutes=5): "5 min"}


@pytest.mark.parametrize("name", ROWS)
def test_each_row_says_what_the_policy_decides(name: str) -> None:
    advice = ROWS[name]
    cells = [name, f"`{advice.action}`", TIMES[advice.delay], advice.reason]
    assert [cell.strip() for cell in _row(name)] == cells


def test_every_error_with_a_decision_of_its_own_is_named() -> None:
    for kind in retries.ERROR_ADVICE:
        assert f"`{kind.__name__}`" in PAGE


def _row(name: str) -> list[str]:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return line.strip("|").split("|")
